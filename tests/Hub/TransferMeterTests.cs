using Microsoft.Extensions.Time.Testing;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class TransferMeterTests : IHubObserver
{
    private readonly List<HubProgress> _told = [];

    void IHubObserver.Progressed(HubProgress progress) => _told.Add(progress);

    void IHubObserver.Noticed(string message) => Assert.Fail(message);

    [Fact]
    public void Rate_and_time_left_are_those_of_the_bytes_since_the_start()
    {
        var time = new FakeTimeProvider();
        var meter = new TransferMeter(this, time, "org/model", "model.bin", isUpload: false);
        meter.Start(done: 100_000, total: 400_000);

        time.Advance(TimeSpan.FromSeconds(0.5));
        meter.Add(50_000);

        Assert.Equal((150_000, 100_000, TimeSpan.FromSeconds(2.5)), (_told[^1].DoneBytes, _told[^1].BytesPerSecond, _told[^1].Remaining!.Value));
    }

    [Fact]
    public void The_rate_forgets_what_is_more_than_five_seconds_old()
    {
        var time = new FakeTimeProvider();
        var meter = new TransferMeter(this, time, "org/model", "model.bin", isUpload: false);
        meter.Start(done: 0, total: null);
        for (var second = 0; second < 10; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            meter.Add(second < 4 ? 1_000_000 : 1_000);
        }

        Assert.Equal(1_000, _told[^1].BytesPerSecond, 1e-6);
        Assert.Null(_told[^1].Remaining);
    }

    [Fact]
    public void An_observer_hears_ten_times_a_second_at_most()
    {
        var time = new FakeTimeProvider();
        var meter = new TransferMeter(this, time, "org/model", "model.bin", isUpload: false);
        meter.Start(done: 0, total: 1_000);
        for (var millisecond = 0; millisecond < 1_000; millisecond++)
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
            meter.Add(1);
        }

        Assert.Equal(11, _told.Count);
        Assert.Equal(1_000, _told[^1].DoneBytes);
    }
}
