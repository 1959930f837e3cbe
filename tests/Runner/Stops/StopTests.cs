extern alias runner;

using System.Globalization;
using NotebookLib.Tests.Notebooks;
using NotebookLib.Tests.Tracking;
using runner::NotebookRunner.Documents;
using runner::NotebookRunner.Parameters;

namespace NotebookLib.Tests.Runner.Stops;

/// <summary>
/// The notebooks as they are, stopped in every way in which a run is stopped, and gone on with as the stop said: by the command that it printed, or by the
/// cell, run again. What is left then is what an unbroken run leaves. Some stops are made with every test run; a storm of them, at random moments, by
/// <code>
/// tools/kill-and-resume.sh [STOPS] [SEED]
/// </code>
/// </summary>
[StartsProcesses]
public sealed class StopTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string StopsVariable = "STOPS";
    private const string SeedVariable = "SEED";
    private const string InEditor = "Cancel in the editor's kernel";

    private readonly RunWorkspace _workspace = new();
    private readonly List<(string Way, bool IsEqual)> _stops = [];
    private TrackingFixture _tracking = null!;
    private RunComparison _comparison = null!;

    public async ValueTask InitializeAsync()
    {
        _tracking = await TrackingFixture.StartAsync();
        _comparison = new(_workspace, _tracking);
    }

    public async ValueTask DisposeAsync()
    {
        _workspace.Dispose();
        await _tracking.DisposeAsync();
    }

    /// <summary>Each stop comes once a further checkpoint is there, the one whose way prints nothing last.</summary>
    [Fact]
    public async Task A_training_that_is_stopped_in_the_runner_and_gone_on_with_by_the_printed_command_ends_as_an_unbroken_one()
    {
        var trained = TrainedCase.All[1];
        await RunUnbrokenAsync(trained);
        var command = RunWorkspace.FirstCommand(trained, "broken");
        foreach (var way in new[] { StopWay.ClosedTerminal, StopWay.Kill, StopWay.FullOutput })
        {
            using var attempt = Attempt.Start(_workspace, command, "broken", way);
            var before = Checkpoints("broken");
            Assert.True(await attempt.UntilAsync(() => Checkpoints("broken") is { Length: > 0 } now && !before.Contains(now[^1])),
                $"{way}: ended before it was stopped\n{attempt.Printed}");
            await attempt.StopAsync();
            command = attempt.ResumeCommand ?? command;
            Assert.Contains("--resume", command, StringComparison.Ordinal);
        }

        await FinishAsync(command, "broken");

        Assert.Empty(await _comparison.DifferencesAsync(NameOf(trained), "broken"));
    }

    [Fact]
    public async Task A_sweep_that_is_killed_in_the_middle_of_a_point_goes_on_with_that_point()
    {
        const string Point = "sweep/seed=43";
        var trained = TrainedCase.All[1];
        await FinishAsync(RunWorkspace.FirstCommand(trained, "unbroken") + " -p seed=43", "unbroken");
        var command = RunWorkspace.FirstCommand(trained, "sweep", "sweep") + " --grid seed=42,43";
        using (var attempt = Attempt.Start(_workspace, command, "sweep", StopWay.Kill))
        {
            Assert.True(await attempt.UntilAsync(() => Checkpoints(Point).Length > 0), attempt.Printed);
            await attempt.StopAsync();
        }

        var kept = File.GetLastWriteTimeUtc(Path.Combine(_workspace.RunFolder("sweep/seed=42"), "run.json"));
        await FinishAsync(command, "sweep");

        Assert.Contains("The run goes on from checkpoint-",
            await File.ReadAllTextAsync(Path.Combine(_workspace.RunFolder(Point), trained.Notebook + ".html"), Cancel), StringComparison.Ordinal);
        Assert.Equal(kept, File.GetLastWriteTimeUtc(Path.Combine(_workspace.RunFolder("sweep/seed=42"), "run.json")));
        Assert.Equal(3, _workspace.Table.Read().Count);
        Assert.Empty(await _comparison.DifferencesAsync("unbroken", Point));
    }

    [Fact(Explicit = true)]
    public async Task A_storm_of_stops()
    {
        var stops = int.Parse(Environment.GetEnvironmentVariable(StopsVariable) ?? "50", CultureInfo.InvariantCulture);
        var seed = int.Parse(Environment.GetEnvironmentVariable(SeedVariable) is { Length: > 0 } given ? given : Invariant($"{Random.Shared.Next(100_000)}"),
            CultureInfo.InvariantCulture);
        var random = new Random(seed);
        Say($"{stops} stops, seed of ways and moments: {seed}");
        List<string> faults = [];
        for (var i = 0; i < TrainedCase.All.Count; i++)
        {
            var trained = TrainedCase.All[i];
            var share = (stops * (i + 1) / TrainedCase.All.Count) - (stops * i / TrainedCase.All.Count);
            var ways = Enum.GetValues<StopWay>();
            var inEditor = Math.Max(1, share / (ways.Length + 1));
            var (seconds, trainSeconds) = await RunUnbrokenAsync(trained);
            Say(Invariant($"{trained}: unbroken {seconds:0} s, of which training {trainSeconds:0} s"));
            // Every way in turn.
            var planned = new Queue<StopWay>(Enumerable.Range(random.Next(ways.Length), share - inEditor).Select(turn => ways[turn % ways.Length]));
            for (var series = 1; planned.Count > 0; series++)
            {
                faults.AddRange(await StopInRunnerAsync(trained, Invariant($"{NameOf(trained)}-{series}"), planned, random, (seconds, trainSeconds)));
            }

            faults.AddRange(await StopInEditorAsync(trained, $"{NameOf(trained)}-editor", inEditor, random, trainSeconds));
        }

        Say("\n| way | stops | gone on to an equal end |\n|---|---:|---:|");
        foreach (var way in _stops.GroupBy(stop => stop.Way).OrderBy(way => way.Key, StringComparer.Ordinal).Append(_stops.GroupBy(_ => "all").Single()))
        {
            Say(Invariant($"| {way.Key} | {way.Count()} | {way.Count(stop => stop.IsEqual)} |"));
        }

        Assert.Empty(faults);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string NameOf(TrainedCase trained) => trained.ToString().Replace(' ', '-');

    private void Say(string text) => output.WriteLine(text);

    /// <summary>Names of the checkpoints that lie in a run's folder, in the order of their updates.</summary>
    private string[] Checkpoints(string run)
    {
        var folder = Path.Combine(_workspace.RunFolder(run), "checkpoints");
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateDirectories(folder, "checkpoint-*").Select(path => Path.GetFileName(path)!).OrderBy(name => name.Length)
            .ThenBy(name => name, StringComparer.Ordinal)] : [];
    }

    /// <summary>Runs a case that nobody stops.</summary>
    /// <returns>Seconds of the whole run, and of its training.</returns>
    private async Task<(double Whole, double Training)> RunUnbrokenAsync(TrainedCase trained)
    {
        var started = System.Diagnostics.Stopwatch.StartNew();
        await FinishAsync(RunWorkspace.FirstCommand(trained, NameOf(trained)), NameOf(trained));
        return (started.Elapsed.TotalSeconds, _workspace.Table.Read()[^1].TrainSeconds!.Value);
    }

    private async Task FinishAsync(string command, string run)
    {
        using var attempt = Attempt.Start(_workspace, command, run, way: null);
        await attempt.EndAsync();
        Assert.True(attempt.ExitCode == 0, $"{command}\nexit code {attempt.ExitCode}\n{attempt.Printed}");
    }

    /// <summary>Stops one run again and again, until it ends in spite of it or there are no stops left, and goes on with it to its end.</summary>
    /// <returns>What differs from the unbroken run.</returns>
    private async Task<IReadOnlyList<string>> StopInRunnerAsync(TrainedCase trained, string run, Queue<StopWay> ways, Random random,
        (double Whole, double Training) seconds)
    {
        List<string> faults = [], made = [];
        var (command, hasEnded) = (RunWorkspace.FirstCommand(trained, run), false);
        while (!hasEnded && ways.TryPeek(out var way))
        {
            // Mostly while it trains, now and then at any moment from its first to its last.
            var inTraining = random.Next(4) > 0;
            var delay = inTraining ? random.NextDouble() * 0.5 * seconds.Training : random.NextDouble() * seconds.Whole;
            using var attempt = Attempt.Start(_workspace, command, run, way);
            var isAlive = !inTraining || await attempt.UntilAsync(() => attempt.IsTracking);
            var until = System.Diagnostics.Stopwatch.StartNew();
            hasEnded = !isAlive || !await attempt.UntilAsync(() => until.Elapsed.TotalSeconds >= delay);
            if (!hasEnded)
            {
                await attempt.StopAsync();
                hasEnded = (string?)attempt.Facts?["status"] == "ok";
            }

            if (hasEnded && attempt.ExitCode != 0)
            {
                faults.Add($"{run}, {way}: ended by itself with exit code {attempt.ExitCode}: {attempt.Printed}");
            }

            if (!hasEnded)
            {
                made.Add(ways.Dequeue().ToString());
                faults.AddRange(FaultOf(attempt, way) is { } fault ? [$"{run}: {fault}"] : []);
                Say(Invariant($"  {run}: {way}, {delay:0.0} s after {(inTraining ? "the training began" : "the start")}: exit code {attempt.ExitCode}, ")
                    + Invariant($"{(string?)attempt.Facts?["status"] ?? "nothing written"}, {Checkpoints(run).LastOrDefault() ?? "no checkpoint"}"));
                command = attempt.ResumeCommand ?? command;
            }
        }

        if (!hasEnded)
        {
            await FinishAsync(command, run);
        }

        var differences = await _comparison.DifferencesAsync(NameOf(trained), run);
        _stops.AddRange(made.Select(way => (way, differences.Count == 0)));
        Say($"  {run}: {made.Count} stops, {(differences.Count == 0 ? "equal" : "DIFFERENT: " + string.Join("; ", differences))}");
        return [.. faults, .. differences.Select(difference => $"{run}: {difference}")];
    }

    /// <summary>What a stop should not have done; null when there is nothing.</summary>
    private static string? FaultOf(Attempt attempt, StopWay way) => (way, attempt.ExitCode) switch
    {
        (StopWay.Interrupt or StopWay.Terminate or StopWay.HangUp or StopWay.FullOutput, not 130) =>
            $"{way}: expected exit code 130, found {attempt.ExitCode}: {attempt.Printed}",
        (StopWay.KillKernel, not 1) => $"{way}: expected exit code 1, found {attempt.ExitCode}: {attempt.Printed}",
        _ => attempt.Printed.Contains("Unhandled exception", StringComparison.Ordinal) ? $"{way}: {attempt.Printed}" : null,
    };

    /// <summary>Presses an editor's stop button at random moments of the training, runs the cell again each time, and then the cells behind it.</summary>
    private async Task<IReadOnlyList<string>> StopInEditorAsync(TrainedCase trained, string run, int stops, Random random, double trainSeconds)
    {
        List<string> faults = [];
        var made = await StopInEditorAsync(trained, run, stops, random, trainSeconds, faults);
        // Once the kernel is gone, which kept the tracked run open.
        var differences = await _comparison.DifferencesAsync(NameOf(trained), run, isInEditor: true);
        _stops.AddRange(Enumerable.Repeat((InEditor, differences.Count == 0), made));
        Say($"  {run}: {made} stops, {(differences.Count == 0 ? "equal" : "DIFFERENT: " + string.Join("; ", differences))}");
        return [.. faults, .. differences.Select(difference => $"{run}: {difference}")];
    }

    private async Task<int> StopInEditorAsync(TrainedCase trained, string run, int stops, Random random, double trainSeconds, List<string> faults)
    {
        await using var tool = await ReleasedTool.StartAsync(_workspace.PathOf("notebooks"), RunWorkspace.Threads);
        var cells = NotebookFile.Read(_workspace.NotebookOf(trained)).Cells;
        var parameters = ParameterCell.Find(cells)!;
        var values = new Dictionary<string, string>(trained.Parameters) { ["output"] = _workspace.RunFolder(run) };
        var made = 0;
        for (var i = 0; i < cells.Count; i++)
        {
            var code = i == parameters.Index ? parameters.With(values) : cells[i].Source;
            var trains = cells[i].IsCSharp && code.Contains("trainer?.Train(", StringComparison.Ordinal);
            for (var wasStopped = false; trains && made < stops;)
            {
                var delay = random.NextDouble() * 0.5 * trainSeconds;
                var (shown, isCancelled) = await CancelledAsync(tool, code, delay);
                faults.AddRange(wasStopped && !shown.Exists(text => text.Contains("The run goes on from", StringComparison.Ordinal))
                    ? [$"{run}: the cell, run again, did not say that it goes on: {shown[0]}"] : []);
                if (!isCancelled)
                {
                    Say(Invariant($"  {run}: the training ended before a Cancel after {delay:0.0} s"));
                    break;
                }

                (wasStopped, made) = (true, made + 1);
                Say(Invariant($"  {run}: Cancel, {delay:0.0} s after the panel came: {Checkpoints(run).LastOrDefault() ?? "no checkpoint"}"));
            }

            if (!cells[i].IsMarkdown)
            {
                var shown = await tool.RunAsync(code, cells[i].Kernel);
                Assert.True(shown[^1].StartsWith("CommandSucceeded", StringComparison.Ordinal), $"{run}, cell {i + 1}: {shown[^1]}");
            }
        }

        return made;
    }

    /// <summary>Sends a cell and, some seconds after it has shown something, what the stop button sends.</summary>
    private static async Task<(List<string> Shown, bool IsCancelled)> CancelledAsync(ReleasedTool tool, string code, double seconds)
    {
        var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var end = tool.EndOfAsync(await tool.SendAsync(code), _ => began.TrySetResult());
        await Task.WhenAny(end, began.Task);
        await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(seconds), Cancel));
        if (end.IsCompleted)
        {
            return (await end, false);
        }

        await tool.CancelAsync();
        var shown = await end;
        return (shown, shown[^1].StartsWith("CommandFailed: Command cancelled", StringComparison.Ordinal));
    }
}
