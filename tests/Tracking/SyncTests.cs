using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

public sealed class SyncTests
{
    [Fact]
    public async Task An_offline_run_uses_no_network_and_sync_uploads_it_whole()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Offline, run => LogRows(run, 25), exitCode: 3);
        Assert.Empty(fixture.Server.Requests);

        var summary = await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        Assert.Equal((25, 25, 3, 0), (summary.RowsKept, summary.RowsSent, summary.ExitCode, summary.Failures.Count));
        AssertRows(fixture, run.RunId, 25, exitCode: 3);
    }

    [Fact]
    public async Task Syncing_again_sends_nothing()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Offline, run => LogRows(run, 5));
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        var requests = fixture.Server.Requests.Count;

        var summary = await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        Assert.Equal((0, 5, requests), (summary.RowsSent, summary.RowsOnServer, fixture.Server.Requests.Count));
    }

    [Fact]
    public async Task A_lost_sync_state_doubles_nothing()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Offline, run => LogRows(run, 5));
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        File.Delete(Path.Combine(run.Folder!, "sync.json"));

        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        AssertRows(fixture, run.RunId, 5);
    }

    [Fact]
    public async Task A_damaged_sync_state_doubles_nothing()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Offline, run => LogRows(run, 5));
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        await File.WriteAllTextAsync(Path.Combine(run.Folder!, "sync.json"), "{\"history\": nonsense", Cancel);

        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        AssertRows(fixture, run.RunId, 5);
    }

    [Fact]
    public async Task Rows_that_the_server_lost_are_sent_again()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Settings, run => LogRows(run, 10));
        var stored = fixture.Server.State.Run(run.RunId);
        foreach (var line in Enumerable.Range(4, 6))
        {
            stored.Stream("wandb-history.jsonl").Remove(line);
        }

        // A new file makes the sync look at the server again.
        await File.WriteAllTextAsync(Path.Combine(run.Folder!, "files", "page.html"), "<p>", Cancel);
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        AssertRows(fixture, run.RunId, 10);
        Assert.Equal("<p>"u8.ToArray(), stored.Files["page.html"]);
    }

    [Fact]
    public async Task A_killed_run_is_closed_with_exit_code_1()
    {
        await using var fixture = await StartAsync();
        var run = TrackedRun.Start(fixture.Offline);
        LogRows(run, 7);
        await run.DisposeAsync();

        var summary = await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        Assert.Null(summary.ExitCode);
        AssertRows(fixture, run.RunId, 7, exitCode: 1);
    }

    [Fact]
    public async Task Half_a_line_at_the_end_is_no_row_and_the_rest_arrives()
    {
        await using var fixture = await StartAsync();
        var run = TrackedRun.Start(fixture.Offline);
        LogRows(run, 7);
        await run.DisposeAsync();
        var journal = Path.Combine(run.Folder!, "journal.log");
        await using (var file = new FileStream(journal, FileMode.Open))
        {
            file.SetLength(file.Length - 9);
        }

        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        AssertRows(fixture, run.RunId, 6, exitCode: 1);
    }

    [Fact]
    public async Task A_row_that_waits_for_parts_is_sent_when_the_process_was_killed()
    {
        await using var fixture = await StartAsync();
        var run = TrackedRun.Start(fixture.Offline);
        run.Log(Row(("a", 1)), atStep: 4);
        run.Log(Row(("b", 2)), atStep: 4);
        await run.DisposeAsync();

        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        File.Delete(Path.Combine(run.Folder!, "sync.json"));
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        var line = Assert.Single(fixture.Server.State.Run(run.RunId).History);
        Assert.StartsWith("{\"a\":1,\"_step\":4,", line, StringComparison.Ordinal);
        Assert.Contains("\"b\":2", line, StringComparison.Ordinal);
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task A_run_that_another_process_continued_is_not_overwritten()
    {
        await using var fixture = await StartAsync();
        var run = TrackedRun.Start(fixture.Offline);
        LogRows(run, 5);
        await run.DisposeAsync();
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        var stored = fixture.Server.State.Run(run.RunId);
        stored.Stream("wandb-history.jsonl")[5] = "{\"_step\":5,\"_timestamp\":1.5}";
        await using (var again = TrackedRun.Start(fixture.Offline with { RunId = run.RunId, Resume = ResumeMode.Allow }))
        {
            // The session begins before the other process's row is known, and gets its place behind it.
            LogRows(again, 2);
            await again.FinishAsync(cancel: Cancel);
        }

        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        Assert.Equal(8, stored.History.Count);
        stored.Stream("wandb-history.jsonl")[8] = "{\"_step\":9,\"_timestamp\":2.5}";
        File.Delete(Path.Combine(run.Folder!, "sync.json"));

        var fault = await Assert.ThrowsAsync<TrackingException>(() => RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel));

        Assert.Equal(TrackingFault.ForeignLines, fault.Fault);
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task A_run_that_is_being_written_is_not_synced()
    {
        await using var fixture = await StartAsync();
        await using var run = TrackedRun.Start(fixture.Offline);

        var fault = await Assert.ThrowsAsync<IOException>(() => RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel));

        Assert.Contains("another process", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_without_a_journal_is_named()
    {
        await using var fixture = await StartAsync();

        var fault = await Assert.ThrowsAsync<DirectoryNotFoundException>(() => RunSync.SyncAsync(fixture.Folder, fixture.Settings, cancel: Cancel));

        Assert.Contains(fixture.Folder, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Large_runs_go_in_requests_of_at_most_10_MiB()
    {
        await using var fixture = await StartAsync();
        var text = new string('x', 400_000);
        var run = await RunAsync(fixture.Offline, run =>
        {
            for (var i = 0; i < 60; i++)
            {
                run.Log(Row(("text", text), ("i", i)));
            }
        });

        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        Assert.Equal(60, fixture.Server.State.Run(run.RunId).History.Count);
        var sizes = fixture.Server.Of("file_stream").Select(request => request.Body.Length).ToArray();
        Assert.All(sizes, size => Assert.InRange(size, 1, 10 << 20));
        Assert.True(sizes.Length >= 3, $"24 MB in {sizes.Length} requests");
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task A_row_longer_than_a_request_is_kept_and_said_and_the_others_arrive()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Settings, run =>
        {
            LogRows(run, 2);
            run.Log(Row(("text", new string('"', 6 << 20))));
            run.Log(Row(("i", 2)));
        });

        Assert.Equal(3, fixture.Server.State.Run(run.RunId).History.Count);
        Assert.Contains(fixture.Notices, notice => notice.Contains("stays in the journal", StringComparison.Ordinal));
        Assert.Equal((4, 3), (run.Status().RowsKept, run.Status().RowsSent));
    }

    internal static void LogRows(TrackedRun run, int count, int from = 0)
    {
        for (var i = from; i < from + count; i++)
        {
            run.Log(Row(("i", i), ("x", i / 3.0)));
        }
    }

    private static void AssertRows(TrackingFixture fixture, string runId, int count, int exitCode = 0)
    {
        var stored = fixture.Server.State.Run(runId);
        Assert.Empty(fixture.Server.State.Problems);
        Assert.Equal(Enumerable.Range(0, count), stored.History.Select(line => (int)System.Text.Json.Nodes.JsonNode.Parse(line)!["i"]!));
        Assert.Equal((true, exitCode), (stored.IsComplete, stored.ExitCode));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
