using System.CommandLine;
using NotebookRunner.Running;
using NotebookRunner.Sweeps;

namespace NotebookRunner.Commands;

/// <summary><c>sweep NOTEBOOK --grid name=v1,v2</c>: runs a notebook for every combination and compares.</summary>
internal static class SweepCommand
{
    private static readonly TimeSpan ShortestLease = TimeSpan.FromSeconds(5);

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
        var shard = new Option<(int, int)>("--shard")
        {
            Description = "Run every Nth combination only, beginning with the Ith [default: whatever no other process in the same folder runs]",
            HelpName = "I/N",
            CustomParser = OptionNumbers.Shard
        };
        var leaves = new Option<bool>("--no-wait") { Description = "End when nothing is left to run here, though other processes still run theirs" };
        var lease = new Option<TimeSpan?>("--lease")
        {
            Description = "Seconds without a sign of life after which another process's combination is taken up, from its checkpoint [default: 90]",
            HelpName = "seconds",
            CustomParser = OptionNumbers.Seconds
        };
        var job = new Option<string?>("--job")
        {
            Description = "Name of what several processes do together: what one of them saw fail, none runs again [default: the id of Slurm's job array]",
            HelpName = "name"
        };
        var command = new Command("sweep", "Runs a notebook over a grid of parameters, resumes where it stopped, ends in one comparison page") { grid, parallel,
            fresh, output, shard, leaves, lease, job };
        settings.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(lease) is { } given && (given < ShortestLease || given > PointClaims.LongestLease))
            {
                result.AddError(Invariant($"--lease: expected {ShortestLease.TotalSeconds} to {PointClaims.LongestLease.TotalSeconds} seconds, ")
                    + Invariant($"found {given.TotalSeconds}."));
            }
        });
        command.SetAction((arguments, _) =>
        {
            var path = arguments.GetValue(settings.Notebook)!;
            var folder = Path.GetFullPath(arguments.GetValue(output) ?? Path.Combine("results", "runs", $"sweep-{Path.GetFileNameWithoutExtension(path)}"));
            var (timeout, grace) = settings.Limits(arguments);
            var runs = arguments.GetValue(parallel);
            var (part, parts) = arguments.GetValue(shard) is { Item2: > 0 } given ? given : (1, 1);
            return RunOrSayAsync(
                new(path, folder, settings.Values(arguments), SweepGrid.Parse(arguments.GetValue(grid)!), runs, timeout, grace, arguments.GetValue(fresh),
                    part, parts, !arguments.GetValue(leaves), arguments.GetValue(lease) ?? TimeSpan.FromSeconds(90),
                    arguments.GetValue(job) ?? Environment.GetEnvironmentVariable("SLURM_ARRAY_JOB_ID") ?? ""));
        });
        return command;
    }

    private static async Task<int> RunOrSayAsync(SweepOptions options)
    {
        try
        {
            return await RunAsync(options);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"{options.Folder}: the sweep cannot go on there: {error.Message}\n"
                + "What has ended is kept; the same command goes on when the cause is mended.");
            return ExitCodes.Failed;
        }
    }

    private static async Task<int> RunAsync(SweepOptions options)
    {
        using var stops = new StopRequests();
        var sweep = new Sweep(options, new SweepLines(Console.Out), stops);
        WritableFolder.Prove(options.Folder, () => SweepReport.Write(options, sweep.Results));
        var kept = sweep.Results.Count(result => result.IsKept);
        List<SweepResult> Own() => [.. sweep.Results.Where((_, index) => options.IsInShard(index))];
        var part = options.Shards == 1 ? "" : Invariant($", {Own().Count} of them in shard {options.Shard}/{options.Shards}");
        Console.Out.WriteLine($"{sweep.Results.Count} combinations{part}{(kept > 0 ? $", {kept} of them done by an earlier sweep" : "")}");
        await sweep.ExecuteAsync();
        var left = stops.Count > 0 ? [] : sweep.LeftToOthers.Where(result => result.Status is RunStatus.NotRun).Select(result => result.Point).ToList();
        var own = Own().Where(result => !left.Contains(result.Point)).ToList();
        var missing = own.Count(result => result.Status is not RunStatus.Ok);
        Console.Out.WriteLine(missing == 0
            ? "All runs ended well." : $"{missing} of {own.Count} runs did not end well; the same command runs them again.");
        if (sweep.Results.Count(result => result.Status is RunStatus.NotRun) is > 0 and var others && missing == 0)
        {
            Console.Out.WriteLine($"Left to other processes: {others} of {sweep.Results.Count}; who ends last completes page and table.");
        }

        Console.Out.WriteLine($"  page   {SweepReport.PagePath(options)}\n  table  {SweepReport.TablePath(options)}");
        return missing == 0 ? ExitCodes.Ok : stops.Count > 0 ? ExitCodes.Interrupted : ExitCodes.Failed;
    }
}
