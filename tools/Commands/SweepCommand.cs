using System.CommandLine;
using NotebookRunner.Running;
using NotebookRunner.Sweeps;

namespace NotebookRunner.Commands;

/// <summary><c>sweep NOTEBOOK --grid name=v1,v2</c>: runs a notebook for every combination and compares.</summary>
internal static class SweepCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var settings = new RunSettings();
        var grid = new Option<string[]>("--grid", "-g")
        {
            Description = "name=value1,value2,… varies a parameter; may be repeated",
            HelpName = "name=values",
            Required = true
        };
        var parallel = new Option<int>("--parallel")
        {
            Description = "How many runs at once; they share the cores",
            HelpName = "runs",
            DefaultValueFactory = _ => 1,
            CustomParser = OptionNumbers.Runs
        };
        var fresh = new Option<bool>("--fresh") { Description = "Run also what an earlier sweep in the same folder finished" };
        var output = new Option<string?>("--output",
            "-o")
        { Description = "Folder of the sweep; naming it again resumes [default: results/runs/sweep-<notebook>]", HelpName = "folder" };
        var command = new Command("sweep", "Runs a notebook over a grid of parameters, resumes where it stopped, ends in one comparison page") { grid, parallel,
            fresh, output };
        settings.AddTo(command);
        command.SetAction((arguments, _) =>
        {
            var path = arguments.GetValue(settings.Notebook)!;
            var folder = Path.GetFullPath(arguments.GetValue(output) ?? Path.Combine("results", "runs", $"sweep-{Path.GetFileNameWithoutExtension(path)}"));
            var (timeout, grace) = settings.Limits(arguments);
            var runs = arguments.GetValue(parallel);
            return RunAsync(
                new(path, folder, settings.Values(arguments), SweepGrid.Parse(arguments.GetValue(grid)!), runs, timeout, grace, arguments.GetValue(fresh)));
        });
        return command;
    }

    private static async Task<int> RunAsync(SweepOptions options)
    {
        using var stops = new StopRequests();
        var sweep = new Sweep(options, new SweepLines(Console.Out), stops);
        WritableFolder.Prove(options.Folder, () => SweepReport.Write(options, sweep.Results));
        var kept = sweep.Results.Count(result => result.IsKept);
        Console.Out.WriteLine($"{sweep.Results.Count} combinations{(kept > 0 ? $", {kept} of them done by an earlier sweep" : "")}");
        await sweep.ExecuteAsync();
        var missing = sweep.Results.Count(result => result.Status is not RunStatus.Ok);
        Console.Out.WriteLine(missing == 0
            ? "All runs ended well." : $"{missing} of {sweep.Results.Count} runs did not end well; the same command runs them again.");
        Console.Out.WriteLine($"  page   {SweepReport.PagePath(options)}\n  table  {SweepReport.TablePath(options)}");
        return missing == 0 ? ExitCodes.Ok : stops.Count > 0 ? ExitCodes.Interrupted : ExitCodes.Failed;
    }
}
