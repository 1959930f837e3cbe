using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Bench.Sections;
using NotebookLib.Bench.Study;
using NotebookLib.Platform;

// Before TorchSharp's own loader, which knows no ../lib.
NativeLibraries.EnsureLoaded();

// The most telling ones first.
ISection[] sections =
[
    new TrainSection(), new EvaluateSection(), new TokenizeSection(), new MemorySection(), new CostSection(), new TrackingSection(), new GrowthSection(),
    new ProbeSection(), new ProfileSection(),
];
var quick = new Option<bool>("--quick") { Description = "A look while developing: fewer items, one round", Recursive = true };
var only = new Option<string?>("--only") { Description = "Only networks whose name contains this (base, large, xsmall)", Recursive = true };
var busy = new Option<bool>("--busy")
{
    Description = "On a machine that others use too: one thread, processor time instead of the wall clock",
    Recursive = true
};
var report = new Option<string?>("--report") { Description = "Also writes the section's report as JSON", Hidden = true, Recursive = true };
var root = new RootCommand("Measures this library beside the Python stack's mathematics and ONNX Runtime. Without a verb: all sections, "
    + "into bench/RESULTS.md.") { quick, only, busy, report };
root.SetAction(MeasureAll);
var all = new Command("all", "All sections, each in a process of its own; writes bench/RESULTS.md");
all.SetAction(MeasureAll);
root.Add(all);

// Measured for docs/TRAINING.md, docs/ANNOTATE.md, docs/SERVE.md and docs/GPU.md, not on every machine.
ISection[] apart =
[
    new PassesSection(), new StorageSection(), new EnduranceSection(), new LongRunSection(), new AnnotateSection(), new ServeSection(),
    new ServeFaultsSection(), new GpuSection(), new RanksSection(), new ForecastSection(),
];
foreach (var section in sections.Concat(apart))
{
    var command = new Command(section.Verb, section.Title);
    command.SetAction(arguments =>
    {
        if (arguments.GetValue(busy))
        {
            Clock.ExpectBusyMachine();
        }

        var measured = section.Measure(new(arguments.GetValue(quick), arguments.GetValue(only)));
        Console.Write(measured.ToText());
        if (arguments.GetValue(report) is { } path)
        {
            File.WriteAllText(path, JsonSerializer.Serialize(measured));
        }
    });
    root.Add(command);
}

Argument<string> job = new("job"), who = new("who"), folder = new("folder");
var memoryOf = new Command(MemorySection.ChildVerb) { Hidden = true, Arguments = { job, who } };
memoryOf.SetAction(arguments => Console.WriteLine(MemorySection.PeakOf(arguments.GetValue(job)!, arguments.GetValue(who)!)));
root.Add(memoryOf);
var storageOf = new Command(StorageSection.ChildVerb) { Hidden = true, Arguments = { job, who } };
storageOf.SetAction(arguments => Console.WriteLine(StorageSection.MemoryOf(arguments.GetValue(job)!, arguments.GetValue(who)!)));
root.Add(storageOf);
var forecastOf = new Command(ForecastSection.ChildVerb) { Hidden = true, Arguments = { job, who } };
forecastOf.SetAction(arguments => Console.WriteLine(ForecastSection.FiguresOf(arguments.GetValue(job)!, arguments.GetValue(who)!)));
root.Add(forecastOf);
root.Add(StudyCommand.Create());
root.Add(RealFineTune.Create());
root.Add(ExportScores.Create());
var writeGraph = new Command("write-graph") { Hidden = true, Arguments = { folder } };
writeGraph.SetAction(arguments => MemorySection.WriteBaseGraph(arguments.GetValue(folder)!));
root.Add(writeGraph);

return root.Parse(args).Invoke();

int MeasureAll(ParseResult arguments)
{
    var facts = MeasuredMachine.Collect();
    var clock = Stopwatch.StartNew();
    var measured = new List<(string Title, SectionReport? Report, string? Failure)>();
    foreach (var section in sections)
    {
        Console.Error.WriteLine(Invariant($"{clock.Elapsed.TotalSeconds,5:0} s  {section.Title}"));
        measured.Add(MeasureApart(section, arguments));
        // After each section, so that an interrupted run leaves what it has.
        if (!arguments.GetValue(quick))
        {
            ResultsFile.Write(Folders.Results, ResultsFile.Compose(facts, measured, clock.Elapsed));
        }
    }

    Console.Write(ResultsFile.Compose(facts, measured, clock.Elapsed));
    return measured.Any(section => section.Report is null) ? 1 : 0;
}

(string Title, SectionReport? Report, string? Failure) MeasureApart(ISection section, ParseResult arguments)
{
    var file = Path.GetTempFileName();
    try
    {
        string[] command = [section.Verb, "--report", file, .. arguments.GetValue(quick) ? ["--quick"] : Array.Empty<string>(),
            .. arguments.GetValue(only) is { } name ? ["--only", name] : Array.Empty<string>(),
            .. arguments.GetValue(busy) ? ["--busy"] : Array.Empty<string>()];
        OwnProcess.Run(command, TimeSpan.FromMinutes(20));
        return (section.Title, JsonSerializer.Deserialize<SectionReport>(File.ReadAllText(file)), null);
    }
    catch (Exception error) when (error is InvalidOperationException or JsonException)
    {
        Console.Error.WriteLine($"  failed: {error.Message}");
        return (section.Title, null, error.Message);
    }
    finally
    {
        File.Delete(file);
    }
}
