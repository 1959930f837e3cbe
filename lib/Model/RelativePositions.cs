using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Which row of the relative table each distance takes, for sentences of one length T. Distances run from −(T−1) to T−1, so at most 2T−1 of the
/// table's rows can occur: only those are normalised, projected and multiplied (same numbers, a fraction of the work).
/// </summary>
/// <remarks>
/// DeBERTa (He et al. 2021) §3.1, eq. 3; buckets: transformers 4.35.2 modeling_deberta_v2.py, make_log_bucket_position and build_relative_position.
/// </remarks>
internal sealed class RelativePositions
{
    /// <summary>Makes the tables of one length; they live as long as this object, outside any dispose scope.</summary>
    public RelativePositions(DebertaConfig config, int length, Device device)
    {
        var rowOfDistance = RowOfDistance(config, length);
        var rows = rowOfDistance.Distinct().Order().ToArray();
        var place = rows.Select((row, index) => (row, index)).ToDictionary(pair => pair.row, pair => (long)pair.index);
        var ascending = rowOfDistance.Select(row => place[row]).ToArray();
        Rows = Keep(rows, device);
        RowsAscending = Keep(ascending, device);
        RowsDescending = Keep([.. ascending.Reverse()], device);
        RowOfEachDistance = Array.ConvertAll(ascending, row => (int)row);
        PackedRows = tensor(RowOfEachDistance, ScalarType.Int32).DetachFromDisposeScope();
        EveryRowIsOneDistance = ascending.Select((row, index) => row == index).All(same => same);
    }

    /// <summary>The rows of the table that occur, ascending, [R] int64.</summary>
    public Tensor Rows { get; }

    /// <summary>For distances −(T−1) to T−1 the index into <see cref="Rows"/>, [2T−1] int64.</summary>
    public Tensor RowsAscending { get; }

    /// <summary>R.</summary>
    public int Count => (int)Rows.shape[0];

    /// <summary><see cref="RowsAscending"/> on the host; it never falls.</summary>
    public int[] RowOfEachDistance { get; }

    /// <summary>The same as a tensor on the CPU, int32, for the kernels there.</summary>
    public Tensor PackedRows { get; }

    /// <summary>The same for distances T−1 down to −(T−1).</summary>
    public Tensor RowsDescending { get; }

    /// <summary>True below the buckets' midpoint, where <see cref="RowsAscending"/> is 0, 1, 2, …</summary>
    public bool EveryRowIsOneDistance { get; }

    /// <summary>The table's row for each distance −(T−1) to T−1.</summary>
    /// <exception cref="ArgumentException">The table ends before half the buckets, and the sentence is longer than that.</exception>
    internal static long[] RowOfDistance(DebertaConfig config, int length)
    {
        EnsureReach(config, length);
        long span = config.RelativeSpan;
        var positions = config.PositionBuckets > 0 ? LogBuckets(length, config.PositionBuckets, config.FarthestDistance) : Distances(length);
        return [.. positions.Select(position => Math.Clamp(position + span, 0, 2 * span - 1))];
    }

    /// <summary>
    /// The bucket of each distance −(T−1) to T−1: itself up to half the buckets, then logarithmic up to the farthest distance.
    /// Computed by libtorch in float32 as the original does, because a logarithm one bit off would move a boundary.
    /// </summary>
    internal static long[] LogBuckets(int length, int buckets, int farthest)
    {
        using var scope = NewDisposeScope();
        var mid = buckets / 2;
        var distance = tensor(Distances(length), ScalarType.Int64);
        var isNear = distance.lt(mid) & distance.gt(-mid);
        var magnitude = where(isNear, tensor((long)(mid - 1)), distance.abs());
        var unit = tensor((farthest - 1) / (double)mid, ScalarType.Float32).log();
        var logarithmic = ((magnitude.to(ScalarType.Float32) / mid).log() / unit * (mid - 1)).ceil() + mid;
        var bucket = where(magnitude.le(mid), distance.to(ScalarType.Float32), logarithmic * distance.sign());
        return bucket.to(ScalarType.Int64).data<long>().ToArray();
    }

    // The logarithm divides by ln((farthest − 1) / mid): a table that ends before the midpoint serves short sentences only.
    private static void EnsureReach(DebertaConfig config, int length)
    {
        var mid = config.PositionBuckets / 2;
        if (config.RelativeAttention && config.PositionBuckets > 0 && length - 1 > mid && config.FarthestDistance - 1 <= mid)
        {
            throw new ArgumentException($"The batch is {length} pieces long; with position_buckets {config.PositionBuckets} and a farthest distance of "
                + $"{config.FarthestDistance} "
                + $"(max_relative_positions or max_position_embeddings) this model can tell apart {mid + 1} at most. Split the sentence.");
        }
    }

    private static long[] Distances(int length) => [.. Enumerable.Range(0, 2 * length - 1).Select(index => (long)index - (length - 1))];

    private static Tensor Keep(long[] values, Device device) => tensor(values, ScalarType.Int64, device).DetachFromDisposeScope();
}
