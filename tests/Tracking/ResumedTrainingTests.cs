using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Tests.Training;
using NotebookLib.Tracking;
using NotebookLib.Tracking.TransactionLog;
using NotebookLib.Training;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

/// <summary>
/// A training that is killed and goes on is one run: on the server, in the folder and in W&amp;B's own log stands what an unbroken one leaves.
/// </summary>
[Collection(AutocastTestGroup.Name)]
public sealed class ResumedTrainingTests
{
    /// <summary>
    /// Micro-batches of each process before its kill, 4 to an update; logs at updates 3, 6, 9, evaluations at 4, 8, checkpoints at 5, 10. Another process then
    /// ends the run.
    /// </summary>
    [Theory]
    [InlineData(true, new[] { 10 })] // before the first checkpoint
    [InlineData(true, new[] { 38 })] // behind rows of updates 6, 8, 9, which are made again
    [InlineData(true, new[] { 26, 14, 18, 6 })]
    [InlineData(false, new[] { 10, 26, 14, 18 })]
    public async Task A_killed_training_that_goes_on_is_one_run(bool online, int[] kills)
    {
        await using var fixture = await StartAsync();
        fixture.Server.State.MaySupersede = true;
        using var tiny = new TinyRun();
        using var unbrokenTiny = new TinyRun();
        var settings = (online ? fixture.Settings : fixture.Offline) with { Name = "resumed" };
        var (unbrokenOutput, output) = (Path.Combine(fixture.Folder, "unbroken"), Path.Combine(fixture.Folder, "broken"));
        var unbroken = await TrainAsync(unbrokenTiny, unbrokenOutput, settings, killAfter: null);

        var ids = new HashSet<string>();
        foreach (var microBatches in kills)
        {
            ids.Add((await TrainAsync(tiny, output, settings, microBatches)).RunId);
        }

        var run = await TrainAsync(tiny, output, settings, killAfter: null);
        ids.Add(run.RunId);
        foreach (var folder in new[] { unbroken.Folder!, run.Folder! })
        {
            await RunSync.SyncAsync(folder, fixture.Settings, cancel: Cancel);
        }

        Assert.Single(ids);
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(output, "wandb")));
        Assert.Equal(2, fixture.Server.State.Runs.Count);
        var (expected, actual) = (fixture.Server.State.Run(unbroken.RunId), fixture.Server.State.Run(run.RunId));
        Assert.Equal(expected.History.Select(Comparable), actual.History.Select(Comparable));
        Assert.Equal(Comparable(expected.Summary!), Comparable(actual.Summary!));
        Assert.Equal((true, 0), (actual.IsComplete, actual.ExitCode));
        Assert.Equal(Keys(expected.Config), Keys(actual.Config));
        Assert.Equal(LogRows(unbroken), LogRows(run));
        Assert.Empty(fixture.Server.State.Problems);
        Assert.False((await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel)).HasSent);
    }

    /// <summary>A notebook's training cell that is stopped, or fails, ends the run; the cell, run again, comes with the same one.</summary>
    [Theory]
    [InlineData(true, TrackedRun.Stopped)]
    [InlineData(false, TrackedRun.Stopped)]
    [InlineData(false, 1)]
    public async Task A_run_that_a_stop_has_ended_goes_on_with_the_training_in_the_same_process(bool online, int exitCode)
    {
        await using var fixture = await StartAsync();
        fixture.Server.State.MaySupersede = true;
        using var tiny = new TinyRun();
        using var unbrokenTiny = new TinyRun();
        var settings = (online ? fixture.Settings : fixture.Offline) with { Name = "resumed" };
        var unbroken = await TrainAsync(unbrokenTiny, Path.Combine(fixture.Folder, "unbroken"), settings, killAfter: null);
        var output = Path.Combine(fixture.Folder, "stopped");
        await using var run = TrackedRun.StartIn(output, settings with { Directory = output });
        using var model = tiny.LoadModel();
        using var observer = new TrackingObserver(run, model.Config);

        Train(tiny, model, observer, stopAfter: 26);
        await run.FinishAsync(exitCode, Cancel);
        Train(tiny, model, observer, stopAfter: null);
        await run.FinishAsync(cancel: Cancel);
        foreach (var folder in new[] { unbroken.Folder!, run.Folder! })
        {
            await run.DisposeAsync();
            await RunSync.SyncAsync(folder, fixture.Settings, cancel: Cancel);
        }

        var (expected, actual) = (fixture.Server.State.Run(unbroken.RunId), fixture.Server.State.Run(run.RunId));
        Assert.Equal(expected.History.Select(Comparable), actual.History.Select(Comparable));
        Assert.Equal(Comparable(expected.Summary!), Comparable(actual.Summary!));
        Assert.Equal((true, 0), (actual.IsComplete, actual.ExitCode));
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(output, "wandb")));
        Assert.Empty(fixture.Server.State.Problems);
        Assert.DoesNotContain(fixture.Notices, notice => notice.Contains("finished", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_run_that_ends_before_its_former_length_leaves_no_values_beyond_its_end()
    {
        await using var fixture = await StartAsync();
        fixture.Server.State.MaySupersede = true;
        using var tiny = new TinyRun();
        var output = Path.Combine(fixture.Folder, "broken");
        await TrainAsync(tiny, output, fixture.Settings, killAfter: 38, send: true);

        var run = await TrainAsync(tiny, output, fixture.Settings, killAfter: 2, isGraceful: true);

        var rows = fixture.Server.State.Run(run.RunId).History.Select(line => (JsonObject)JsonNode.Parse(line)!).ToArray();
        // Logged before: 3, 4, 6, 8, 9. The run goes on from update 5, where rows 0 and 1 stand, and ends there.
        Assert.Equal([3, 4, 5], rows.Where(row => row.ContainsKey("train/global_step")).Select(row => (int)row["train/global_step"]!));
        Assert.All(rows[3..], row => Assert.All(row, member => Assert.StartsWith("_", member.Key, StringComparison.Ordinal)));
        Assert.Equal(5, rows.Length);
        Assert.Equal(5, (int)JsonNode.Parse(fixture.Server.State.Run(run.RunId).Summary!)!["train/global_step"]!);
        Assert.Empty(fixture.Server.State.Problems);

        var end = await TrainAsync(tiny, output, fixture.Settings, killAfter: null);
        Assert.Equal([3, 4, 6, 8, 9, 10], fixture.Server.State.Run(end.RunId).History.Select(line => (int)JsonNode.Parse(line)!["train/global_step"]!));
        Assert.Equal(run.RunId, end.RunId);
    }

    [Fact]
    public async Task An_output_folder_whose_run_ended_well_begins_another_unless_told_otherwise()
    {
        await using var fixture = await StartAsync();
        var output = Path.Combine(fixture.Folder, "out");
        var first = TrackedRun.StartIn(output, fixture.Offline);
        var again = TrackedRun.StartIn(output, fixture.Offline); // the cell was run again while the first was open
        await again.FinishAsync(cancel: Cancel);
        await using var other = TrackedRun.StartIn(output, fixture.Offline);
        var otherId = other.RunId;
        await using var resumed = TrackedRun.StartIn(output, fixture.Offline, resume: true);
        await using var restarted = TrackedRun.StartIn(output, fixture.Offline, resume: false);

        Assert.Equal(first.RunId, again.RunId);
        Assert.NotEqual(first.RunId, otherId);
        Assert.Equal(otherId, resumed.RunId);
        Assert.NotEqual(otherId, restarted.RunId);
    }

    [Fact]
    public async Task A_journal_whose_return_is_damaged_still_gives_each_row_once()
    {
        await using var fixture = await StartAsync();
        using var tiny = new TinyRun();
        var output = Path.Combine(fixture.Folder, "broken");
        await TrainAsync(tiny, output, fixture.Offline, killAfter: 38);
        var run = await TrainAsync(tiny, output, fixture.Offline, killAfter: null);
        var journal = Path.Combine(run.Folder!, RunFolder.JournalName);
        var lines = File.ReadAllLines(journal);
        await File.WriteAllLinesAsync(journal, lines.Select(line => line[9] == 'G' ? string.Concat("xxxxxxxx", line.AsSpan(8)) : line), Cancel);

        var summary = await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        Assert.Equal(1, summary.DamagedLines);
        Assert.Equal([3, 4, 6, 8, 9, 10], fixture.Server.State.Run(run.RunId).History.Select(line => (int)JsonNode.Parse(line)!["train/global_step"]!));
        Assert.Empty(fixture.Server.State.Problems);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static async Task<TrackedRun> TrainAsync(TinyRun tiny, string output, TrackingSettings settings, int? killAfter, bool isGraceful = false,
        bool send = false)
    {
        await using var run = TrackedRun.StartIn(output, settings with { Directory = output });
        using var model = tiny.LoadModel();
        using var observer = new TrackingObserver(run, model.Config);
        using var stop = new CancellationTokenSource();
        // A pass of more could be killed, or stopped, between updates only.
        var plan = tiny.Settings with { ExistingRun = ExistingRun.Resume, PiecesPerPass = 1 };
        using var inner = new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, plan);
        using ITrainingTask task = killAfter is not { } microBatches ? inner
            : new StoppingTask(inner, isGraceful ? stop.Cancel : () => throw new KilledException(), microBatches);
        using var loop = new TrainingLoop(task, plan, [new Mortal(observer)]);
        try
        {
            loop.Run(stop.Token);
            await run.FinishAsync(isGraceful ? TrackedRun.Stopped : 0, Cancel);
        }
        catch (KilledException)
        {
            for (var tries = 0; send && run.Status().RowsSent < run.Status().RowsKept && tries < 500; tries++)
            {
                await Task.Delay(20, Cancel);
            }
        }

        return run;
    }

    private static void Train(TinyRun tiny, DebertaV2ForTokenClassification model, TrackingObserver observer, int? stopAfter)
    {
        using var stop = new CancellationTokenSource();
        // Sums over several micro-batches would round otherwise than those of the unbroken run.
        var plan = tiny.Settings with { ExistingRun = ExistingRun.Resume, PiecesPerPass = 1 };
        using var inner = new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, plan);
        using ITrainingTask task = stopAfter is { } microBatches ? new StoppingTask(inner, stop.Cancel, microBatches) : inner;
        using var loop = new TrainingLoop(task, plan, [observer]);
        loop.Run(stop.Token);
    }

    private static string[] Keys(JsonObject config) => [.. config.Select(member => member.Key).Order(StringComparer.Ordinal)];

    private static string[] LogRows(TrackedRun run)
    {
        var records = TransactionLog.LogFileReader.Records(File.ReadAllBytes(Path.Combine(run.Folder!, $"run-{run.RunId}.wandb")))
            .Select(record => LogRecord.Parser.ParseFrom(record)).ToArray();
        Assert.Contains(records.Single(record => record.Run is not null).Run.Config.Update, item => item.Key == "num_train_epochs");
        return [.. records.Where(record => record.History is not null)
            .Select(record =>
                Comparable("{" + string.Join(',', record.History.Item.Select(item => $"{JsonValue.Create(item.Key).ToJsonString()}:{item.ValueJson}")) + "}"))];
    }

    private sealed class KilledException : Exception;

    /// <summary>A process that is killed tells nobody.</summary>
    private sealed class Mortal(ITrainingObserver inner) : ITrainingObserver
    {
        public void RunStarted(RunSummary summary, TrainingControl control) => inner.RunStarted(summary, control);

        public void StepLogged(LoggedStep logged) => inner.StepLogged(logged);

        public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result) => inner.EvaluationDone(evaluation, result);

        public void CheckpointSaved(string folder, CheckpointKind kind) => inner.CheckpointSaved(folder, kind);

        public void RunEnded(TrainingResult result) => inner.RunEnded(result);
    }
}
