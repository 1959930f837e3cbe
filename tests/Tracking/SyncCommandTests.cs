using System.Diagnostics;
using NotebookLib.Tests.Runner;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

[StartsProcesses]
public sealed class SyncCommandTests
{
    [Fact]
    public async Task It_uploads_all_runs_below_a_folder_and_then_has_nothing_to_send()
    {
        await using var fixture = await StartAsync();
        var finished = await RunAsync(fixture.Offline, run => SyncTests.LogRows(run, 4));
        var killed = TrackedRun.Start(fixture.Offline);
        SyncTests.LogRows(killed, 2);
        await killed.DisposeAsync();

        var (code, output, error) = await SyncAsync(fixture, FakeWandbServer.Key, fixture.Folder);

        Assert.Equal((0, ""), (code, error));
        Assert.Matches($"{finished.RunId}: sent 4 rows, \\d files; 4 of 4 rows are on the server; exit code 0\n  "
            + $"{fixture.Server.Url}/mock_server_entity/demo-project/runs/{finished.RunId}\n", output);
        Assert.Matches($"{killed.RunId}: sent 2 rows, \\d files; 2 of 2 rows are on the server; it was killed, the server is told exit code 1\n", output);
        Assert.Equal((4, 0), (fixture.Server.State.Run(finished.RunId).History.Count, fixture.Server.State.Run(finished.RunId).ExitCode));
        Assert.Equal((2, 1), (fixture.Server.State.Run(killed.RunId).History.Count, fixture.Server.State.Run(killed.RunId).ExitCode));

        (code, output, _) = await SyncAsync(fixture, FakeWandbServer.Key, finished.Folder!, killed.Folder!);

        Assert.Equal(0, code);
        Assert.Equal(2, output.Split("nothing to send").Length - 1);
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task What_cannot_be_uploaded_is_said_with_the_next_step()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Offline, run => SyncTests.LogRows(run, 4));

        var (code, _, error) = await SyncAsync(fixture, "ffffffffffffffffffffffffffffffffffffffff", run.Folder!);
        Assert.Equal(1, code);
        Assert.Contains("does not know the API key", error, StringComparison.Ordinal);
        Assert.DoesNotContain("ffffffffffffffff", error, StringComparison.Ordinal);

        (code, _, error) = await SyncAsync(fixture, null, run.Folder!);
        Assert.Equal(2, code);
        Assert.Contains("set WANDB_API_KEY", error, StringComparison.Ordinal);

        (code, _, error) = await SyncAsync(fixture, FakeWandbServer.Key, Path.Combine(run.Folder!, "files"));
        Assert.Equal(2, code);
        Assert.Contains("expected the folder of a tracked run", error, StringComparison.Ordinal);
        Assert.Empty(fixture.Server.State.Runs);
    }

    private static Task<(int ExitCode, string Output, string Error)> SyncAsync(TrackingFixture fixture, string? key, params string[] folders)
    {
        var start = RunnerProcess.HowToStart(["sync", .. folders]);
        start.Environment["WANDB_BASE_URL"] = fixture.Server.Url;
        start.Environment["NETRC"] = Path.Combine(fixture.Folder, "no-netrc");
        start.Environment["WANDB_API_KEY"] = key;
        return RunnerProcess.FinishAsync(Process.Start(start)!);
    }
}
