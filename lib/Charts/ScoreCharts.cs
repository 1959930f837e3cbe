using NotebookLib.Metrics;
using NotebookLib.Platform;

namespace NotebookLib.Charts;

/// <summary>F1 of one entity type, and how often it occurs.</summary>
/// <param name="Type">Entity type without prefix.</param>
/// <param name="F1">0 to 1.</param>
/// <param name="Support">Gold entities of this type.</param>
public sealed record TypeF1(string Type, double F1, int Support);

/// <summary>How good the answers are: per type, what is taken for what, and whether the model knows when it is sure.</summary>
public static class ScoreCharts
{
    /// <summary>F1 of each type beside the published one; types in the order of their support, which stands beside the name.</summary>
    /// <param name="scores">Our scores, words.</param>
    /// <param name="published">The published ones, by type, or null; a type that is missing there gets no grey bar.</param>
    /// <param name="publishedName">The published run, for instance <c>base-A</c>.</param>
    public static Chart PerType(SequenceScores scores, IReadOnlyList<TypeF1>? published = null, string publishedName = "published")
    {
        ArgumentNullException.ThrowIfNull(scores);
        return PerType([.. scores.Types.Select(row => new TypeF1(row.Name, row.F1, checked((int)row.Support)))], published, publishedName);
    }

    internal static Chart PerType(IReadOnlyList<TypeF1> ours, IReadOnlyList<TypeF1>? published = null, string publishedName = "published")
    {
        var rows = ours.OrderByDescending(row => row.Support).ThenBy(row => row.Type, StringComparer.Ordinal).ToList();
        string Label(TypeF1 row) => Invariant($"{Chart.Name(row.Type)}  ({row.Support:N0})");
        var known = (published ?? []).ToDictionary(row => row.Type, StringComparer.Ordinal);
        var both = rows.Where(row => known.ContainsKey(row.Type)).ToList();
        List<Trace> traces =
        [
            new BarTrace("this run", "%{y}<br>F1 %{x:.3f}<br>%{text}<extra>this run</extra>", [.. rows.Select(Label)], [.. rows.Select(row => row.F1)])
            {
                IsHorizontal = true, Texts = [.. rows.Select(row => Invariant($"{row.Support:N0} gold entities"))],
            },
            new BarTrace(publishedName, "%{y}<br>F1 %{x:.3f}<br>%{text}<extra>published</extra>", [.. both.Select(Label)],
                [.. both.Select(row => known[row.Type].F1)])
            {
                IsHorizontal = true, Color = Palette.Gray, Hatch = "/",
                Texts = [.. both.Select(row => Invariant($"{known[row.Type].Support:N0} gold entities"))],
            },
        ];
        return Chart.Of(
            new("F1 of each type", "Whole words, test split; in brackets the number of gold entities.", new("F1") { Range = [0, 1.02], Format = ".1f" },
                new("") { IsCategory = true, IsReversed = true }, traces)
            {
                HeightPixels = 110 + (rows.Count * (both.Count > 0 ? 28 : 20)),
                Summary = string.Join(", ", rows.Select(row => Invariant($"{row.Type} {row.F1:0.000}"))),
            },
            "No entity type was scored: the split holds no entity, gold or predicted.");
    }

    /// <summary>What is taken for what, entity by entity.</summary>
    /// <param name="analysis">The errors of a split.</param>
    public static Chart Confusion(ErrorAnalysis analysis)
    {
        ArgumentNullException.ThrowIfNull(analysis);
        var (names, counts) = (analysis.Names, analysis.Confusion);
        const string title = "Which entity is taken for which";
        const string none = "There is no entity, gold or predicted, to compare.";
        if (counts.Sum(row => row.Sum()) == 0)
        {
            return Chart.Empty(title, none);
        }

        IReadOnlyList<string> labels = [.. names.Select(Chart.Name)];
        var trace = new HeatTrace(
            "entities",
            "gold %{y}<br>predicted %{x}<br>%{text} entities, %{z:.1%} of the row<extra></extra>",
            labels,
            labels,
            [.. counts.Select(row => row.Select(count => (double)count / Math.Max(1, row.Sum())).ToArray())],
            [.. counts.Select(row => row.Select(count => count == 0 ? "" : NumberText.Count(count)).ToArray())]);
        trace = trace with { IsInLegend = false };
        var right = Enumerable.Range(0, names.Count).Sum(i => counts[i][i]);
        return Chart.Of(
            new(title, "Rows are gold, columns predicted; entities are paired by equal or overlapping words. Shade is the share of the row.",
                new("predicted") { IsCategory = true }, new("gold") { IsCategory = true, IsReversed = true }, [trace])
            {
                HeightPixels = 130 + (names.Count * 26),
                LeastWidthPixels = 150 + (names.Count * 34),
                Summary = Invariant($"{right:N0} of {counts.Sum(row => row.Sum()):N0} on the diagonal"),
            },
            none);
    }

    /// <summary>Whether an answer given with confidence 0.9 is right nine times out of ten.</summary>
    /// <param name="calibration">Answers grouped by confidence.</param>
    public static Chart Calibration(Calibration calibration)
    {
        ArgumentNullException.ThrowIfNull(calibration);
        var filled = calibration.Bins;
        var total = filled.Sum(bin => (double)bin.Count);
        var summary = Invariant($"Expected calibration error {calibration.ExpectedError:0.0000} over {total:N0} answers.");
        List<Trace> traces = filled.Count == 0 ? [] :
        [
            new LineTrace("perfectly calibrated", "as sure as right<extra></extra>", [0, 1], [0, 1]) { Color = Palette.Gray, Dash = "dash", WidthPixels = 1.5 },
            new LineTrace("this run", "confidence %{x:.3f}<br>right %{y:.1%}<br>%{text}<extra></extra>", [.. filled.Select(bin => bin.Confidence)],
                [.. filled.Select(bin => bin.Accuracy)])
            {
                Marker = "circle",
                MarkerSizes = [.. filled.Select(bin => 6 + (16 * Math.Sqrt(bin.Count / total)))],
                Texts = [.. filled.Select(bin => Invariant($"{bin.Count:N0} answers"))],
            },
        ];
        return Chart.Of(
            new("Is the model as sure as it is right?", $"Words grouped by confidence; larger marks stand for more words. {summary}",
                new("confidence (probability of the answer)") { Range = [0, 1.03] }, new("share that is right") { Range = [0, 1.03], Format = ".0%" }, traces)
            {
                Summary = summary,
            },
            "There is no answer whose confidence could be compared.");
    }
}
