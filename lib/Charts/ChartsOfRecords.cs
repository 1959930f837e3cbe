using NotebookLib.Metrics;

namespace NotebookLib.Charts;

public static partial class ScoreCharts
{
    /// <summary>F1 of each type beside the published one.</summary>
    /// <param name="scores">Our scores, words.</param>
    /// <param name="published">The published ones, or null.</param>
    /// <param name="publishedName">The published run, for instance <c>base-A</c>.</param>
    public static Chart PerType(SequenceScores scores, IReadOnlyList<TypeF1>? published = null, string publishedName = "published")
    {
        ArgumentNullException.ThrowIfNull(scores);
        return PerType([.. scores.Types.Select(row => new TypeF1(row.Name, row.F1, checked((int)row.Support)))], published, publishedName);
    }

    /// <summary>What is taken for what, entity by entity.</summary>
    public static Chart Confusion(ErrorAnalysis analysis)
    {
        ArgumentNullException.ThrowIfNull(analysis);
        return Confusion(analysis.Names, analysis.Confusion);
    }

    /// <summary>Whether an answer given with confidence 0.9 is right nine times out of ten.</summary>
    public static Chart Calibration(Calibration calibration)
    {
        ArgumentNullException.ThrowIfNull(calibration);
        return Calibration(calibration.Bins);
    }
}
