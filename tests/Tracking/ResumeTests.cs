using System.Text.Json.Nodes;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

public sealed class ResumeTests
{
    [Fact]
    public async Task A_new_random_id_asks_for_no_resume_status()
    {
        await using var fixture = await StartAsync();
        await RunAsync(fixture.Settings, run => SyncTests.LogRows(run, 1));

        Assert.Empty(fixture.Server.Of("RunResumeStatus"));
    }

    [Theory]
    [InlineData(ResumeMode.Allow)]
    [InlineData(ResumeMode.Must)]
    public async Task On_another_machine_a_run_goes_on_behind_the_servers_lines(ResumeMode mode)
    {
        await using var fixture = await StartAsync();
        var first = fixture.Settings with { RunId = "abc", CaptureConsole = false };
        await RunAsync(first, run =>
        {
            SyncTests.LogRows(run, 5);
            run.LogOutput("one");
        });
        await RunAsync(first with { Resume = mode, Directory = Path.Combine(fixture.Folder, "elsewhere") }, run =>
        {
            SyncTests.LogRows(run, 3, from: 5);
            run.LogOutput("two");
        });

        var stored = fixture.Server.State.Run("abc");
        var rows = stored.History.Select(line => JsonNode.Parse(line)!).ToArray();
        Assert.Empty(fixture.Server.State.Problems);
        Assert.Equal(Enumerable.Range(0, 8), rows.Select(row => (int)row["i"]!));
        Assert.Equal(Enumerable.Range(0, 8), rows.Select(row => (int)row["_step"]!));
        Assert.True((double)rows[5]["_runtime"]! >= (double)rows[4]["_runtime"]!);
        Assert.Equal(2, stored.Output.Count);
        Assert.Equal(7, (int)JsonNode.Parse(stored.Summary!)!["_step"]!);
        // The second process passes the run's storage id, as wandb 0.31 does (031-e2-resume-must:3).
        Assert.Equal(stored.StorageId, (string?)fixture.Server.Of("UpsertBucket").Select(request => request.Variables["id"]).Last(id => id is not null));
    }

    [Fact]
    public async Task On_the_same_machine_a_run_goes_on_in_its_folder()
    {
        await using var fixture = await StartAsync();
        var settings = fixture.Offline with { RunId = "abc", Resume = ResumeMode.Allow };
        var first = await RunAsync(settings, run => SyncTests.LogRows(run, 5));
        var second = await RunAsync(settings, run => SyncTests.LogRows(run, 5, from: 5));
        Assert.Equal(first.Folder, second.Folder);

        await RunSync.SyncAsync(first.Folder!, fixture.Settings, cancel: TestContext.Current.CancellationToken);

        var rows = fixture.Server.State.Run("abc").History.Select(line => JsonNode.Parse(line)!).ToArray();
        Assert.Equal(Enumerable.Range(0, 10), rows.Select(row => (int)row["i"]!));
        Assert.Equal(Enumerable.Range(0, 10), rows.Select(row => (int)row["_step"]!));
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task An_offline_run_that_resumes_an_unknown_one_finds_its_place_at_the_sync()
    {
        await using var fixture = await StartAsync();
        await RunAsync(fixture.Settings with { RunId = "abc" }, run => SyncTests.LogRows(run, 4));
        var elsewhere = fixture.Offline with { RunId = "abc", Resume = ResumeMode.Must, Directory = Path.Combine(fixture.Folder, "elsewhere") };
        var second = await RunAsync(elsewhere, run => SyncTests.LogRows(run, 4, from: 4));

        await RunSync.SyncAsync(second.Folder!, fixture.Settings, cancel: TestContext.Current.CancellationToken);
        File.Delete(Path.Combine(second.Folder!, "sync.json"));
        await RunSync.SyncAsync(second.Folder!, fixture.Settings, cancel: TestContext.Current.CancellationToken);

        var rows = fixture.Server.State.Run("abc").History.Select(line => (int)JsonNode.Parse(line)!["i"]!);
        Assert.Equal(Enumerable.Range(0, 8), rows);
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Theory]
    [InlineData(ResumeMode.Never, "exists on the server already")]
    [InlineData(null, "exists on the server already")]
    public async Task An_id_that_exists_is_refused_and_training_goes_on_offline(ResumeMode? mode, string expected)
    {
        await using var fixture = await StartAsync();
        await RunAsync(fixture.Settings with { RunId = "abc" }, run => SyncTests.LogRows(run, 5));
        var run = await RunAsync(
            fixture.Settings with { RunId = "abc", Resume = mode, Directory = Path.Combine(fixture.Folder, "elsewhere") }, run => SyncTests.LogRows(run, 3));

        Assert.Equal((TrackingMode.Offline, 3, 0), (run.Status().Mode, run.Status().RowsKept, run.Status().RowsSent));
        Assert.Contains(expected, run.Status().Remark!, StringComparison.Ordinal);
        Assert.Equal(5, fixture.Server.State.Run("abc").History.Count);
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task A_run_that_must_exist_and_does_not_is_refused_and_training_goes_on_offline()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Settings with { RunId = "abc", Resume = ResumeMode.Must }, run => SyncTests.LogRows(run, 3));

        Assert.Contains("no such run", run.Status().Remark!, StringComparison.Ordinal);
        Assert.Empty(fixture.Server.State.Runs);
    }
}
