using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>
/// The failures of the captures d1 to d10: what wandb 0.31.0 tries again, ours does, with the same waits; what it takes for an answer, ours does.
/// </summary>
public sealed class FailureCaptureTests
{
    // Waits of the runs: 15 s between requests, 30 s to a heartbeat, a day to a lost request. None looks like a retry's.
    private const double Faster = 250;

    [Theory]
    [InlineData("031-d1-graphql-500x3", "UpsertBucket", "2-2.5 4-5 8-10")]
    [InlineData("031-d2-graphql-429x2-retry-after-3", "UpsertBucket", "3-3 3-3")]
    [InlineData("031-d3-filestream-500x2-429x2", "file_stream", "2-2.5 4-5 5-5 5-5")]
    [InlineData("031-d5-storage-500x2", "storage", "2-2.5")]
    [InlineData("031-d6-filestream-lost-answer", "file_stream", "2-2.5")]
    [InlineData("031-d7-upsert-409x2", "UpsertBucket", "2-2.5 4-5")]
    public async Task What_may_pass_is_tried_again_and_the_run_arrives_as_theirs(string name, string operation, string waits)
    {
        var capture = Capture.Read(name);
        var captured = CapturedServer.Replay(capture);
        var script = captured.Runs.Values.Single();
        var clock = new ScaledClock(Faster);
        await using var fixture = await StartAsync();
        fixture.Server.Fault = FaultsOf(capture);
        var replay = new ReplayedRun(captured, script, fixture.Folder);

        await RunAsync(Patient(replay.Name(fixture.Settings)), run => replay.Log(run), script.ExitCode!.Value, clock);

        Assert.Empty(fixture.Server.State.Problems);
        CaptureTests.AssertAgree(CaptureTests.Compare(
            name, ServerView.Of(captured, script), ServerView.Of(fixture.Server.State, fixture.Server.State.Run(script.Name))));
        var expected = waits.Split(' ').Select(wait => (From: double.Parse(wait.Split('-')[0]), To: double.Parse(wait.Split('-')[1]))).ToArray();
        var found = clock.Waits.Select(wait => wait.TotalSeconds).Where(wait => wait is >= 1.9 and <= 12).ToArray();
        Assert.True(expected.Length <= found.Length, $"waits {string.Join(", ", found)}");
        Assert.All(expected.Zip(found), pair => Assert.InRange(pair.Second, pair.First.From, pair.First.To));
        Assert.True(fixture.Server.Of(operation).Count > expected.Length);
    }

    [Fact]
    public async Task A_chunk_whose_answer_was_lost_is_sent_again_identically()
    {
        await using var fixture = await StartAsync();
        var isFirst = true;
        fixture.Server.Fault = request =>
            request.Operation == "file_stream" && Interlocked.Exchange(ref isFirst, false) ? new FakeFault(AfterApplying: true, Reset: true) : null;

        var run = await RunAsync(Patient(fixture.Settings), run => SyncTests.LogRows(run, 3), clock: new ScaledClock(Faster));

        var sent = fixture.Server.Of("file_stream");
        Assert.Equal(sent[0].Body, sent[1].Body);
        Assert.Equal(3, fixture.Server.State.Run(run.RunId).History.Count);
    }

    [Theory]
    [InlineData("031-d4-filestream-404", "file_stream", "the stream of run")]
    [InlineData("031-d8-upsert-400", "UpsertBucket", "the server refuses")]
    [InlineData("031-d9-401", "Viewer", "does not know the API key")]
    [InlineData("031-d10-upsert-200-with-errors", "UpsertBucket", "check WANDB_ENTITY")]
    public async Task What_is_an_answer_is_not_tried_again_and_training_goes_on_offline(string name, string operation, string expected)
    {
        var capture = Capture.Read(name);
        await using var fixture = await StartAsync();
        fixture.Server.Fault = FaultsOf(capture);

        var run = await RunAsync(Patient(fixture.Settings), run => SyncTests.LogRows(run, 3), clock: new ScaledClock(Faster));

        Assert.Single(fixture.Server.Of(operation));
        Assert.Contains(expected, run.Status().Remark!, StringComparison.Ordinal);
        Assert.Equal((TrackingMode.Offline, 3), (run.Status().Mode, run.Status().RowsKept));
        // Their words reach the user where they say something.
        var said = capture.Exchanges.First(exchange => exchange.IsFault).Response;
        Assert.All(new[] { "user is not logged in", "invalid" }.Where(word => said.Contains(word, StringComparison.Ordinal)),
            word => Assert.Contains(word, run.Status().Remark!, StringComparison.Ordinal));

        fixture.Server.Fault = _ => null;
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: TestContext.Current.CancellationToken);
        Assert.Equal(3, fixture.Server.State.Run(run.RunId).History.Count);
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Theory]
    [InlineData("016-i-stop-button")]
    [InlineData("031-i-stop-button")]
    public void The_stop_button_ends_their_run_with_the_exit_code_that_ours_gets(string name)
        => Assert.Equal(255, CapturedServer.Replay(Capture.Read(name)).Runs.Values.Single().ExitCode);

    private static TrackingSettings Patient(TrackingSettings settings) =>
        settings with { SendSeconds = 15, RequestSeconds = 3600, FinishSeconds = 86400, FirstAnswerSeconds = 86400 };

    /// <summary>The n-th request of an operation fails as theirs did.</summary>
    private static Func<FakeRequest, FakeFault?> FaultsOf(Capture capture)
    {
        var script = capture.Exchanges.GroupBy(exchange => exchange.Operation).ToDictionary(group => group.Key, group => new Queue<Exchange>(group));
        return request =>
        {
            lock (script)
            {
                return script.TryGetValue(request.Operation, out var exchanges) && exchanges.TryDequeue(out var exchange) && exchange.IsFault
                    ? new FakeFault(exchange.Status ?? 0, exchange.RetryAfter, exchange.WasApplied, Reset: exchange.Status is null, Body: exchange.Response)
                    : null;
            }
        };
    }
}
