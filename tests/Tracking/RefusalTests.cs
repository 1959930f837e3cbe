using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

/// <summary>What a server can refuse: each its own message, and the training goes on offline; sync finishes the run when the cause is mended.</summary>
public sealed class RefusalTests
{
    [Fact]
    public async Task A_wrong_key()
    {
        await using var fixture = await StartAsync();
        var wrong = TrackingSettings.KeyOf("ffffffffffffffffffffffffffffffffffffffff");
        await AssertOfflineAsync(fixture, fixture.Settings with { Key = wrong }, "does not know the API key", "WANDB_API_KEY");
    }

    [Fact]
    public async Task A_wrong_entity()
    {
        await using var fixture = await StartAsync();
        await AssertOfflineAsync(fixture, fixture.Settings with { Entity = "nobody" }, "the entity does not exist or the key may not write there",
            "WANDB_ENTITY");
    }

    [Fact]
    public async Task An_unknown_project()
    {
        await using var fixture = await StartAsync();
        fixture.Server.State.AcceptsProject = project => project != "demo-project";
        await AssertOfflineAsync(fixture, fixture.Settings, "the server refuses the project", "WANDB_PROJECT");
    }

    [Fact]
    public async Task A_run_id_that_exists()
    {
        await using var fixture = await StartAsync();
        var settings = fixture.Settings with { RunId = "taken" };
        await RunAsync(settings, run => SyncTests.LogRows(run, 1));
        await AssertOfflineAsync(fixture, settings with { Directory = Path.Combine(fixture.Folder, "elsewhere") }, "exists on the server already",
            "WANDB_RUN_ID");
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_no_refusal_and_the_rows_wait()
    {
        await using var fixture = await StartAsync();
        await fixture.Server.DownAsync();

        var run = await RunAsync(fixture.Settings, run => SyncTests.LogRows(run, 3), clock: new ScaledClock(100));

        Assert.Equal((TrackingMode.Offline, 3, 0), (run.Status().Mode, run.Status().RowsKept, run.Status().RowsSent));
        Assert.Contains(fixture.Notices, notice => notice.Contains("trying again", StringComparison.Ordinal));
        await fixture.Server.UpAsync();
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: TestContext.Current.CancellationToken);
        Assert.Equal(3, fixture.Server.State.Run(run.RunId).History.Count);
    }

    [Fact]
    public async Task A_file_that_the_storage_refuses_is_said_and_the_run_arrives()
    {
        await using var fixture = await StartAsync();
        fixture.Server.Fault = request =>
            request.Operation == "storage" && request.Target.Contains("requirements", StringComparison.Ordinal) ? new(403, Body: "") : null;

        var run = await RunAsync(fixture.Settings, run => SyncTests.LogRows(run, 3));

        var stored = fixture.Server.State.Run(run.RunId);
        Assert.Equal((3, true, 0), (stored.History.Count, stored.IsComplete, stored.ExitCode));
        Assert.DoesNotContain("requirements.txt", stored.Uploaded);
        Assert.Contains("config.yaml", stored.Uploaded);
        Assert.Contains(fixture.Notices, notice => notice.StartsWith("file requirements.txt", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_artifact_of_another_type_is_said_and_the_run_arrives()
    {
        await using var fixture = await StartAsync();
        var file = Path.Combine(fixture.Folder, "a.bin");
        await File.WriteAllBytesAsync(file, [1, 2, 3], TestContext.Current.CancellationToken);
        var files = new Dictionary<string, string> { ["a.bin"] = file };
        await RunAsync(fixture.Settings, run => run.LogArtifact(new TrackedArtifact { Name = "thing", Type = "dataset", Files = files }));
        var run = await RunAsync(fixture.Settings, run => run.LogArtifact(new TrackedArtifact { Name = "thing", Type = "model", Files = files }));

        Assert.Contains(fixture.Notices, notice => notice.Contains("has \"thing\" with type \"dataset\"", StringComparison.Ordinal));
        Assert.True(fixture.Server.State.Run(run.RunId).IsComplete);
        Assert.Single(fixture.Server.State.Artifacts);
    }

    [Fact]
    public async Task An_artifact_that_the_server_stays_away_from_is_said_and_tried_once_more_at_the_end()
    {
        await using var fixture = await StartAsync();
        var file = Path.Combine(fixture.Folder, "a.bin");
        await File.WriteAllBytesAsync(file, [1, 2, 3], TestContext.Current.CancellationToken);
        fixture.Server.Fault = request =>
            request.Operation == "ArtifactType" && request.Variables["name"]!.GetValue<string>() == "away:latest" ? new(503) : null;
        // 20 waits of up to a minute are a second or two here; the other bounds are far away.
        var settings = fixture.Settings with { SendSeconds = 15, RequestSeconds = 3600, FinishSeconds = 86400, FirstAnswerSeconds = 86400 };
        await using var run = TrackedRun.Start(settings, clock: new ScaledClock(1000));
        run.LogArtifact(new TrackedArtifact { Name = "away", Type = "model", Files = new Dictionary<string, string> { ["a.bin"] = file } });
        run.LogArtifact(new TrackedArtifact { Name = "there", Type = "model", Files = new Dictionary<string, string> { ["a.bin"] = file } });

        await UntilAsync(() => fixture.Server.Of("CommitArtifact").Count == 1);
        // Many turns of the sender.
        await Task.Delay(500, TestContext.Current.CancellationToken);

        // The first try and 20 more, none of them a second time.
        Assert.Equal(21, Away());
        lock (fixture.Notices)
        {
            Assert.Contains(fixture.Notices, notice => notice.StartsWith("artifact \"away\": HTTP 503", StringComparison.Ordinal));
        }

        fixture.Server.Fault = _ => null;
        await run.FinishAsync(cancel: TestContext.Current.CancellationToken);
        Assert.Equal(
            (22, 2, true), (Away(), fixture.Server.State.Artifacts.Count(artifact => artifact.IsCommitted), fixture.Server.State.Run(run.RunId).IsComplete));

        int Away() => fixture.Server.Of("ArtifactType").Count(request => request.Variables["name"]!.GetValue<string>() == "away:latest");
    }

    [Fact]
    public async Task A_storage_that_takes_every_file_and_fails_does_not_hold_the_end_of_a_run()
    {
        await using var fixture = await StartAsync();
        fixture.Server.Fault = request => request.Operation == "storage" ? new(500) : null;
        // An hour of tries is three seconds here.
        await using var run = TrackedRun.Start(fixture.Settings with { FinishSeconds = 600 }, clock: new ScaledClock(1000));
        SyncTests.LogRows(run, 3);
        await UntilAsync(() => fixture.Server.Of("file_stream").Count > 0);

        await run.FinishAsync(cancel: TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);

        lock (fixture.Notices)
        {
            Assert.Contains(fixture.Notices, notice => notice.Contains("the server took nothing for 600 s", StringComparison.Ordinal));
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        var time = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(time.Elapsed < TimeSpan.FromSeconds(30), "nothing came within 30 s");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private static async Task AssertOfflineAsync(TrackingFixture fixture, TrackingSettings settings, params string[] expected)
    {
        var requests = fixture.Server.Requests.Count;
        var run = await RunAsync(settings, run => SyncTests.LogRows(run, 5));

        var status = run.Status();
        Assert.Equal((TrackingMode.Offline, 5, 0), (status.Mode, status.RowsKept, status.RowsSent));
        Assert.All(expected, part => Assert.Contains(part, status.Remark!, StringComparison.Ordinal));
        Assert.Contains(fixture.Notices, notice => notice.Contains("Training goes on offline", StringComparison.Ordinal));
        Assert.InRange(fixture.Server.Requests.Count - requests, 1, 3);
    }
}
