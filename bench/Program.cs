using System.CommandLine;
using NotebookLib.Bench.Sections;

ISection[] sections = [new TrainSection(), new EvaluateSection(), new ProbeSection(), new TokenizeSection()];
var quick = new Option<bool>("--quick") { Description = "A look while developing: fewer items, one round", Recursive = true };
var only = new Option<string?>("--only") { Description = "Only networks whose name contains this (base, large, xsmall)", Recursive = true };
var root = new RootCommand("Measures this library beside the Python stack's mathematics and ONNX Runtime.") { quick, only };
foreach (var section in sections)
{
    var command = new Command(section.Verb, section.Title);
    command.SetAction(arguments =>
    {
        var report = section.Measure(new(arguments.GetValue(quick), arguments.GetValue(only)));
        Console.Write(report.ToMarkdown());
        foreach (var target in report.Targets)
        {
            Console.WriteLine($"{(target.IsMet ? "met   " : "MISSED")} {target.Name}: {target.Measured}, wanted {target.Wanted}");
        }

        return 0;
    });
    root.Add(command);
}

return root.Parse(args).Invoke();
