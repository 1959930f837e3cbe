namespace NotebookLib.Tracking;

/// <summary>A distribution, logged as W&amp;B's histogram.</summary>
/// <param name="Counts">How many values fell into each bin.</param>
/// <param name="Edges">The bins' borders, ascending: one more than counts.</param>
public sealed record Histogram(IReadOnlyList<double> Counts, IReadOnlyList<double> Edges)
{
    private const int MostBins = 512;

    /// <summary>Counts values in bins of equal width between the smallest and the largest; values that are not finite are left out.</summary>
    /// <param name="values">The values.</param>
    /// <param name="bins">How many bins, 1 to 512.</param>
    /// <exception cref="ArgumentException">No value is finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bins"/> is out of range.</exception>
    public static Histogram Of(IEnumerable<double> values, int bins = 64)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bins, MostBins);
        var finite = values.Where(double.IsFinite).ToArray();
        if (finite.Length == 0)
        {
            throw new ArgumentException("histogram: expected at least one finite value, found none");
        }

        var (low, high) = (finite.Min(), finite.Max());
        // All values equal: numpy's choice, half a unit to each side.
        (low, high) = low == high ? (low - 0.5, high + 0.5) : (low, high);
        var counts = new double[bins];
        foreach (var value in finite)
        {
            counts[Math.Min(bins - 1, (int)((value - low) / (high - low) * bins))]++;
        }

        return new Histogram(counts, [.. Enumerable.Range(0, bins + 1).Select(edge => low + ((high - low) * edge / bins))]);
    }

    internal IEnumerable<KeyValuePair<string, object?>> ToMembers() => Edges.Count == Counts.Count + 1
        ? new Dictionary<string, object?> { ["_type"] = "histogram", ["values"] = Counts, ["bins"] = Edges }
        : throw new ArgumentException($"histogram: expected one more edge than counts, found {Edges.Count} edges for {Counts.Count} counts");
}
