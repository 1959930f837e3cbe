using System.Globalization;
using NotebookLib.Metrics;
using NotebookLib.Platform;

namespace NotebookLib.Charts;

/// <summary>What the data look like: how many entities of each type, how long the sentences are.</summary>
public static class DataCharts
{
    private static readonly (string Color, string? Hatch)[] Styles = [(Palette.Blue, null), (Palette.Orange, "/"), (Palette.Green, "x"), (Palette.Pink, ".")];

    /// <summary>Entities of each type in each split, on a logarithmic axis: the rare types are the interesting ones.</summary>
    /// <param name="splits">What the splits hold.</param>
    public static Chart EntityCounts(IReadOnlyList<SplitStatistics> splits)
    {
        ArgumentNullException.ThrowIfNull(splits);
        const string title = "Entities of each type";
        const string none = "No entity in any split. Check that the label set's types occur in the data.";
        var types = splits.SelectMany(split => split.Entities.Keys).Distinct(StringComparer.Ordinal)
            .OrderByDescending(type => splits.Sum(split => split.Entities.GetValueOrDefault(type))).ThenBy(type => type, StringComparer.Ordinal).ToList();
        if (splits.Sum(split => split.EntityCount) == 0)
        {
            return Chart.Empty(title, none);
        }

        var traces = splits.Select((split, i) => new BarTrace(
            Chart.Name(split.Name),
            $"%{{y}}<br>%{{x:,d}} entities in {Chart.Name(split.Name)}<extra></extra>",
            [.. types.Select(Chart.Name)],
            [.. types.Select(type => (double)split.Entities.GetValueOrDefault(type))])
        {
            IsHorizontal = true,
            Color = Styles[i % Styles.Length].Color,
            Hatch = Styles[i % Styles.Length].Hatch,
        });
        var most = splits.Max(split => split.Entities.Values.DefaultIfEmpty(0).Max());
        string InAll(string type) => NumberText.Count(splits.Sum(split => (long)split.Entities.GetValueOrDefault(type)));
        return Chart.Of(
            new(title, "Logarithmic: each step is ten times as many. A missing bar means none.",
                new("entities") { IsLog = true, LogTicks = "1", Format = ",d", Range = [Math.Log10(0.8), Math.Log10(1.3 * most)] },
                new("") { IsCategory = true, IsReversed = true }, [.. traces])
            {
                HeightPixels = 110 + (types.Count * (8 + (10 * splits.Count))),
                Summary = $"{types.Count} types; most frequent {types[0]} with {InAll(types[0])}, rarest {types[^1]} with {InAll(types[^1])}",
            },
            none);
    }

    /// <summary>How many sentences have which length.</summary>
    /// <param name="lengths">Length of each sentence.</param>
    /// <param name="unit">What a length counts: pieces, or words.</param>
    public static Chart Lengths(IReadOnlyList<int> lengths, string unit = "pieces")
    {
        ArgumentNullException.ThrowIfNull(lengths);
        if (lengths.Count == 0)
        {
            return Chart.Empty("Length of the sentences", "There is no sentence to measure.");
        }

        var sorted = lengths.Order().ToList();
        int At(double share) => sorted[(int)Math.Min(sorted.Count - 1, share * sorted.Count)];
        var width = Math.Max(1, (int)Math.Ceiling((sorted[^1] + 1) / 60.0));
        var bins = lengths.GroupBy(length => length / width).OrderBy(bin => bin.Key).ToList();
        var trace = new BarTrace(
            "sentences",
            $"%{{text}} {unit}<br>%{{y:,d}} sentences<extra></extra>",
            [.. bins.Select(bin => ((bin.Key * width) + ((width - 1) / 2.0)).ToString(CultureInfo.InvariantCulture))],
            [.. bins.Select(bin => (double)bin.Count())])
        {
            IsInLegend = false,
            Texts = [.. bins.Select(bin => width == 1 ? $"{bin.Key}" : $"{bin.Key * width} to {(bin.Key * width) + width - 1}")],
        };
        var summary = Invariant($"{lengths.Count:N0} sentences; half have at most {At(0.5)} {unit}, 95 % at most {At(0.95)}, the longest {sorted[^1]}.");
        return Chart.Of(
            new("Length of the sentences", summary, new($"length, {unit}") { Format = ",d" }, new("sentences") { Format = ",d", FromZero = true },
                [trace])
            { Summary = summary, HeightPixels = 280 },
            "There is no sentence to measure.");
    }
}
