using NotebookLib.Model;

namespace NotebookLib.Tests.Model;

public class RelativePositionsTests
{
    private static readonly DebertaConfig V3 = new() { RelativeAttention = true, PositionBuckets = 256, MaxPositionEmbeddings = 512 };

    [Fact]
    public void Below_the_midpoint_every_distance_has_its_own_row()
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var positions = new RelativePositions(V3, 128, TorchSharp.torch.CPU);

        Assert.True(positions.EveryRowIsOneDistance);
        Assert.Equal(Enumerable.Range(256 - 127, 255).Select(row => (long)row), positions.Rows.data<long>().ToArray());
    }

    [Fact]
    public void Each_distance_takes_the_row_that_the_formula_gives()
    {
        // ceil(ln(d / 128) / ln(511 / 128) · 127) + 128, by hand in float64; the boundaries checked here are not within rounding of an integer.
        var buckets = RelativePositions.LogBuckets(512, 256, 512);
        for (var distance = -511; distance <= 511; distance++)
        {
            var magnitude = Math.Abs(distance);
            var expected = magnitude <= 128 ? magnitude : (long)Math.Ceiling(Math.Round(Math.Log(magnitude / 128.0) / Math.Log(511 / 128.0) * 127, 9)) + 128;
            Assert.Equal(expected * Math.Sign(distance), buckets[distance + 511]);
        }
    }

    [Fact]
    public void Rows_stay_inside_the_table_at_any_length()
    {
        var rows = RelativePositions.RowOfDistance(V3, 3000);

        Assert.Equal((0, 511), (rows.Min(), rows.Max()));
        Assert.Equal(256, rows[2999]);
        Assert.Equal(rows.Order(), rows);
    }

    [Fact]
    public void Only_rows_that_occur_are_listed_once_and_found_again()
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var positions = new RelativePositions(V3, 400, TorchSharp.torch.CPU);
        var rows = positions.Rows.data<long>().ToArray();
        var found = positions.RowsAscending.data<long>().Select(index => rows[index]).ToArray();

        Assert.False(positions.EveryRowIsOneDistance);
        Assert.Equal(rows.Distinct().Order(), rows);
        Assert.Equal(RelativePositions.RowOfDistance(V3, 400), found);
        Assert.Equal(found.Reverse(), positions.RowsDescending.data<long>().Select(index => rows[index]));
    }

    [Fact]
    public void Without_buckets_far_distances_share_the_last_rows()
    {
        var config = V3 with { PositionBuckets = -1, MaxRelativePositions = 4 };

        // Distances −6 to 6, span 4: clamp(d + 4, 0, 7).
        Assert.Equal([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7], RelativePositions.RowOfDistance(config, 7));
    }

    [Fact]
    public void A_table_that_ends_before_the_midpoint_serves_short_sentences_only()
    {
        var config = V3 with { MaxPositionEmbeddings = 64 };

        Assert.Equal(255, RelativePositions.RowOfDistance(config, 128).Distinct().Count());
        Assert.Contains("Split the sentence", Assert.Throws<ArgumentException>(() => RelativePositions.RowOfDistance(config, 130)).Message);
    }
}
