using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

public sealed class TrackedRunTests
{
    [Fact]
    public async Task An_online_run_arrives_whole()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Settings with { Name = "first", Tags = ["a", "b"] }, run =>
        {
            run.LogConfig(Row(("lr", 1e-4), ("model", Row(("layers", new[] { 1, 2, 3 })))));
            for (var i = 0; i < 10; i++)
            {
                run.Log(Row(("train/loss", 1.0 / (i + 1)), ("épöche.1/x", i)));
            }

            run.LogOutput("hello");
        });

        var stored = fixture.Server.State.Run(run.RunId);
        Assert.Empty(fixture.Server.State.Problems);
        Assert.Equal(10, stored.History.Count);
        Assert.StartsWith("{\"train/loss\":0.5,\"épöche.1/x\":1,\"_step\":1,", stored.History[1], StringComparison.Ordinal);
        Assert.EndsWith("hello", Assert.Single(stored.Output), StringComparison.Ordinal);
        Assert.Equal((true, 0), (stored.IsComplete, stored.ExitCode));
        Assert.Equal("{\"value\":0.0001}", stored.Config["lr"]!.ToJsonString());
        Assert.Contains("config.yaml", stored.Uploaded);
        Assert.Equal("hello\n", System.Text.Encoding.UTF8.GetString(stored.Files["output.log"]));
        var status = run.Status();
        Assert.Equal((TrackingMode.Online, 10, 10, $"{fixture.Server.Url}/mock_server_entity/demo-project/runs/{run.RunId}"),
            (status.Mode, status.RowsKept, status.RowsSent, status.Link));
    }

    [Theory]
    [InlineData(TrackingMode.Offline)]
    [InlineData(TrackingMode.Online)]
    public async Task A_start_that_fails_leaves_the_folder_free(TrackingMode mode)
    {
        await using var fixture = await StartAsync();
        var settings = fixture.Settings with { Mode = mode, RunId = "abc", Resume = ResumeMode.Allow };
        var first = await RunAsync(settings, run => SyncTests.LogRows(run, 2));

        // The first fails at the configuration, the second when somebody's own code is told where the rows go.
        Assert.Throws<ArgumentException>(() => TrackedRun.Start(settings, Row(("x", new Action(() => { })))));
        var deaf = settings with { Mode = TrackingMode.Offline, Notice = _ => throw new NotSupportedException() };
        Assert.Throws<NotSupportedException>(() => TrackedRun.Start(deaf));
        var run = await RunAsync(settings, run => SyncTests.LogRows(run, 3, from: 2));

        Assert.Equal((first.Folder, 5), (run.Folder, run.Status().RowsKept));
    }
}
