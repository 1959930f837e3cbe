namespace NotebookRunner.Sweeps;

/// <summary>Mean and spread of a score over seeds.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Deviation">The sample standard deviation; NaN for a single run.</param>
/// <param name="Count">How many runs.</param>
internal sealed record ScoreSpread(double Mean, double Deviation, int Count)
{
    /// <summary>Of some values, at least one.</summary>
    public static ScoreSpread Of(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        return new(mean, values.Count > 1 ? Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1)) : double.NaN, values.Count);
    }
}

/// <summary>Runs that differ in their seed only.</summary>
/// <param name="Values">What they share of the grid.</param>
/// <param name="Runs">The runs that ended well.</param>
internal sealed record SeedGroup(IReadOnlyList<KeyValuePair<string, string>> Values, IReadOnlyList<SweepResult> Runs)
{
    /// <summary>A score over the group, or null when no run has it.</summary>
    public ScoreSpread? Spread(string score)
    {
        var values = Runs.Where(run => run.Scores.ContainsKey(score)).Select(run => run.Scores[score]).ToList();
        return values.Count == 0 ? null : ScoreSpread.Of(values);
    }
}

/// <summary>Reads the scores of many runs side by side.</summary>
internal static class SweepScores
{
    private const string SeedName = "seed";

    private static readonly string[] LessIsBetter = ["loss", "seconds", "bytes", "memory", "time", "error"];

    /// <summary>All score names, in the order in which the notebook gives them.</summary>
    public static IReadOnlyList<string> Names(IEnumerable<SweepResult> results) => [.. results.SelectMany(result => result.Scores.Keys).Distinct()];

    /// <summary>The best value of a score; null when there is nothing to compare.</summary>
    public static double? Best(IEnumerable<SweepResult> results, string score)
    {
        var values = results.Where(result => result.Scores.ContainsKey(score)).Select(result => result.Scores[score]).ToList();
        var isLessBetter = LessIsBetter.Any(word => score.Contains(word, StringComparison.OrdinalIgnoreCase));
        return values.Distinct().Count() < 2 ? null : isLessBetter ? values.Min() : values.Max();
    }

    /// <summary>Runs gathered over seeds; empty unless the grid varies a parameter called seed.</summary>
    public static IReadOnlyList<SeedGroup> OverSeeds(SweepGrid grid, IEnumerable<SweepResult> results)
    {
        if (!grid.Axes.Any(axis => IsSeed(axis.Key) && axis.Value.Count > 1))
        {
            return [];
        }

        var done = results.Where(result => result.Status is Running.RunStatus.Ok);
        return [.. done.GroupBy(result => string.Join('\0', WithoutSeed(result).Select(value => value.Value)))
            .Select(group => new SeedGroup([.. WithoutSeed(group.First())], [.. group]))];
    }

    private static IEnumerable<KeyValuePair<string, string>> WithoutSeed(SweepResult result) => result.Point.Values.Where(value => !IsSeed(value.Key));

    private static bool IsSeed(string name) => name.Equals(SeedName, StringComparison.OrdinalIgnoreCase);
}
