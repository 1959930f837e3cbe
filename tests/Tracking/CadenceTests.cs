using System.Diagnostics;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

/// <summary>When something is sent, with a clock that runs faster.</summary>
public sealed class CadenceTests
{
    private const double Faster = 200;

    [Fact]
    public async Task Rows_go_at_once_and_then_every_15_seconds_together()
    {
        var clock = new ScaledClock(Faster);
        await using var fixture = await StartAsync();
        await using var run = TrackedRun.Start(Slow(fixture.Settings), clock: clock);
        run.Log(Row(("i", 0)));
        await UntilAsync(() => fixture.Server.Of("file_stream").Count >= 1);
        for (var i = 1; fixture.Server.Of("file_stream").Count < 4; i++)
        {
            run.Log(Row(("i", i)));
            await Task.Delay(2, TestContext.Current.CancellationToken);
        }

        // 4 requests are at least 3 pauses, however slow this machine is.
        Assert.True(clock.GetElapsedTime(0).TotalSeconds >= 45, $"{clock.GetElapsedTime(0).TotalSeconds} s");
        Assert.All(fixture.Server.Of("file_stream"), request => Assert.True(request.Json.ContainsKey("files")));
        await run.FinishAsync(cancel: TestContext.Current.CancellationToken);
        Assert.Equal(run.Status().RowsKept, fixture.Server.State.Run(run.RunId).History.Count);
    }

    [Fact]
    public async Task A_run_with_nothing_to_say_sends_two_bytes_every_30_seconds()
    {
        var clock = new ScaledClock(Faster);
        await using var fixture = await StartAsync();
        await using var run = TrackedRun.Start(Slow(fixture.Settings), clock: clock);
        await UntilAsync(() => fixture.Server.Of("file_stream").Count >= 3);

        Assert.All(fixture.Server.Of("file_stream"), request => Assert.Equal("{}"u8.ToArray(), request.Body));
        Assert.True(clock.GetElapsedTime(0).TotalSeconds >= 90, $"{clock.GetElapsedTime(0).TotalSeconds} s");
    }

    [Fact]
    public async Task The_server_may_ask_for_a_heartbeat_more_often()
    {
        var clock = new ScaledClock(Faster);
        await using var fixture = await StartAsync();
        fixture.Server.State.HeartbeatSeconds = 3600;
        await using var run = TrackedRun.Start(Slow(fixture.Settings), clock: clock);
        await UntilAsync(() => fixture.Server.Of("file_stream").Count >= 1);
        // The first answer said that an hour is enough.
        await Task.Delay(TimeSpan.FromSeconds(120 / Faster), TestContext.Current.CancellationToken);

        Assert.Single(fixture.Server.Of("file_stream"));
    }

    private static TrackingSettings Slow(TrackingSettings settings) =>
        settings with { SendSeconds = 15, RequestSeconds = 3600, FinishSeconds = 86400, FirstAnswerSeconds = 86400 };

    private static async Task UntilAsync(Func<bool> condition)
    {
        var time = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(time.Elapsed < TimeSpan.FromSeconds(30), "nothing came within 30 s");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }
}
