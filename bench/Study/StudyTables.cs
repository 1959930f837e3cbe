using System.Globalization;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;

namespace NotebookLib.Bench.Study;

/// <summary>The study's results as tables: means over seeds with lowest and highest.</summary>
internal static class StudyTables
{
    // Fewer than a hundred test entities each among MultiNERD's 25,645.
    private static readonly string[] Rare = ["BIO", "INST", "CEL", "MYTH", "VEHI"];

    /// <summary>Markdown of all tables.</summary>
    public static string Of(IReadOnlyList<StudyResult> results)
    {
        var byVariant = StudyVariant.All
            .Select(variant => (variant.Name, Runs: results.Where(result => result.Variant == variant.Name).OrderBy(result => result.Seed).ToList()))
            .Where(row => row.Runs.Count > 0).ToList();
        var types = results.SelectMany(result => result.TypeF1.Keys).Distinct().Order(StringComparer.Ordinal).ToList();
        string[] ordered = [.. Rare, .. types.Except(Rare)];
        return new Table(
                ["", "runs", "F1", "macro F1", "rare types", "other types", "parameters trained", "mean loss"],
                [.. byVariant.Select(row => (IReadOnlyList<string>)
                [
                    row.Name, row.Runs.Count.ToString(CultureInfo.InvariantCulture), Text(row.Runs, run => run.F1), Text(row.Runs, run => run.MacroF1),
                    Text(row.Runs, run => MeanOf(run, Rare)), Text(row.Runs, run => MeanOf(run, ordered[Rare.Length..])),
                    row.Runs[0].TrainedParameters.ToString("N0", CultureInfo.InvariantCulture), Text(row.Runs, run => run.MeanLoss),
                ])]).ToMarkdown()
            + "\n" + new Table(
                ["F1, mean over seeds", .. ordered],
                [.. byVariant.Select(row =>
                    (IReadOnlyList<string>)[row.Name,
                        .. ordered.Select(type =>
                        row.Runs.Average(run => run.TypeF1.GetValueOrDefault(type)).ToString("0.00", CultureInfo.InvariantCulture))])]).ToMarkdown();
    }

    private static double MeanOf(StudyResult run, IEnumerable<string> types) => types.Average(type => run.TypeF1.GetValueOrDefault(type));

    private static string Text(List<StudyResult> runs, Func<StudyResult, double> value) =>
        (Spread.Of(runs.Select(value)) with { Median = runs.Average(value) }).ToText("0.000");
}
