using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public class LossScalerTests
{
    [Fact]
    public void The_scale_halves_at_an_overflow_and_doubles_after_a_row_of_good_updates()
    {
        var scaler = new LossScaler { GrowthInterval = 3 };

        scaler.Update(overflowed: true);
        Assert.Equal(32768, scaler.Scale);

        scaler.Update(overflowed: false);
        scaler.Update(overflowed: false);
        Assert.Equal(32768, scaler.Scale);
        scaler.Update(overflowed: false);
        Assert.Equal(65536, scaler.Scale);
        Assert.Equal(0, scaler.GoodUpdates);
    }

    [Fact]
    public void An_overflow_starts_the_row_anew()
    {
        var scaler = new LossScaler { GrowthInterval = 2 };

        scaler.Update(overflowed: false);
        scaler.Update(overflowed: true);
        scaler.Update(overflowed: false);

        Assert.Equal((32768, 1), (scaler.Scale, scaler.GoodUpdates));
    }

    [Fact]
    public void The_scale_may_fall_to_the_smallest_and_no_further()
    {
        var scaler = new LossScaler { SmallestScale = 16384 };
        scaler.Update(overflowed: true);
        scaler.Update(overflowed: true);

        Assert.Equal(16384, scaler.Scale);
        Assert.Throws<InvalidOperationException>(() => scaler.Update(overflowed: true));
    }

    [Fact]
    public void It_goes_on_where_a_checkpoint_left_off_and_takes_no_scale_that_is_none()
    {
        var scaler = new LossScaler { GrowthInterval = 3 };
        scaler.Restore(8, 2);

        scaler.Update(overflowed: false);

        Assert.Equal((16, 0), (scaler.Scale, scaler.GoodUpdates));
        Assert.All([0.0, -1], scale => Assert.Throws<ArgumentOutOfRangeException>(() => scaler.Restore(scale, 0)));
        Assert.Throws<ArgumentOutOfRangeException>(() => scaler.Restore(1, -1));
    }

    [Fact]
    public void Overflows_without_end_are_an_error_and_not_an_endless_run()
    {
        var scaler = new LossScaler();

        var error = Assert.Throws<InvalidOperationException>(() =>
        {
            for (var update = 0; update < 100; update++)
            {
                scaler.Update(overflowed: true);
            }
        });

        Assert.Contains("not finite at any scale", error.Message, StringComparison.Ordinal);
    }
}
