using System.Globalization;
using NotebookLib.Html;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Results;

/// <summary>Tables over runs: all of them, and ours beside the published ones.</summary>
public static class ResultTables
{
    private static readonly (string Name, Func<RunRow, double?> Ours, Func<PublishedRow?, PublishedRow?, double?> Published)[] Scores =
    [
        ("F1", run => run.TestF1, (micro, _) => micro?.F1),
        ("precision", run => run.TestPrecision, (micro, _) => micro?.Precision),
        ("recall", run => run.TestRecall, (micro, _) => micro?.Recall),
        ("F1, mean of types", run => run.TestF1Macro, (_, macro) => macro?.F1),
        ("accuracy", run => run.TestAccuracy, (micro, _) => micro?.Accuracy),
    ];

    /// <summary>One line a run, the newest last; the best test F1 of each system and profile on the same data is marked.</summary>
    public static TableView Runs(IReadOnlyList<RunRow> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var onTheSame = runs.ToLookup(RunGroups.Test);
        var best = runs.Where(RunGroups.IsTested).GroupBy(RunGroups.Test).Select(group => group.MaxBy(run => run.TestF1)!.RunId)
            .ToHashSet(StringComparer.Ordinal);
        return new(
            "All runs",
            [
                new("started"), new("system"), new("profile"), new("data"), new("differs in"), new("seed", true), new("lr", true), new("updates", true),
                new("time", true), new("tokens/s", true), new("memory", true),
                new("val. F1", true), new("test F1", true), new("macro", true), new("strict", true), new("acc.", true), new("commit"),
            ],
            [.. runs.Select(run =>
                new Row(Cells(run, RunGroups.DifferencesOf(run, [.. onTheSame[RunGroups.Test(run)]])), best.Contains(run.RunId) ? Mark.Best : Mark.None))],
            "Scores are shares from 0 to 1; test scores count words. Validation F1 counts pieces.",
            runs.Count == 0
                ? "No run has been added yet."
                : "Green and bold: the best test F1 of its system and profile among the runs tested on the same sentences. "
                + "Scores of different profiles or data cannot be compared.");
    }

    /// <summary>For each experiment, that is runs that differ in their seeds alone: our mean and deviation, the published number, the difference.</summary>
    /// <param name="runs">Rows of the table of runs; of runs with one seed the last counts.</param>
    public static TableView Comparison(IReadOnlyList<RunRow> runs)
    {
        var rows = ComparisonRows(runs);
        return new(
            "Ours beside the published results",
            [
                new("system"), new("profile"), new("data"), new("updates", true), new("lr", true), new("differs in"), new("score"), new("ours", true),
                new("runs", true),
                new("published", true), new("difference", true),
            ],
            [.. rows.Select(row => new Row(Cells(row, row.Score == Scores[0].Name)))],
            "Test split (validation split where a run had no test data), words, 0 to 1; ours as mean ± standard deviation over the runs (seeds) "
                + "of one experiment: the same data, model and training settings.",
            "Published: AlexeyAkopyan/NamedEntityRecognition, trained on all of MultiNERD's English part; only a profile that does the same is comparable, "
                + "and none stands beside "
                + "data of your own. Its large LoRA run was interrupted, and its adapters almost surely never trained.");
    }

    /// <summary>The same as rows, with all digits.</summary>
    /// <inheritdoc cref="Comparison"/>
    internal static IReadOnlyList<ComparisonRow> ComparisonRows(IReadOnlyList<RunRow> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var tested = runs.Where(RunGroups.IsTested).ToList();
        var onTheSame = tested.ToLookup(RunGroups.Test);
        return [.. tested
            .GroupBy(RunGroups.Repetition)
            .OrderBy(group => group.Key.Test.System, StringComparer.Ordinal).ThenBy(group => group.Key.Test.Profile, StringComparer.Ordinal)
            .ThenBy(group => !ProfileData.Has(group.Key.Test.Data)).ThenBy(group => group.Key.Test.Data, StringComparer.Ordinal)
            .ThenBy(group => group.Key.Updates)
            .SelectMany(group => ComparisonRows(
                [.. group.GroupBy(run => run.Seed).Select(seed => seed.Last())], RunGroups.DifferencesOf(group.First(), [.. onTheSame[group.Key.Test]])))];
    }

    private static IEnumerable<ComparisonRow> ComparisonRows(List<RunRow> runs, string differences)
    {
        var one = runs[0];
        var published = Published.IsOf(one.System, one.Model, one.Data) ? one.System : "";
        var (micro, macro) = (Published.Find(published, "micro avg"), Published.Find(published, "macro avg"));
        foreach (var (name, ours, theirs) in Scores)
        {
            var (values, other) = (runs.Select(ours).OfType<double>().ToList(), theirs(micro, macro));
            if (values.Count > 0)
            {
                var mean = values.Average();
                yield return new()
                {
                    System = one.System,
                    Profile = one.Profile,
                    Data = one.Data,
                    Model = one.Model,
                    Method = one.Method,
                    Types = one.Types,
                    Updates = one.Updates,
                    LearningRate = one.LearningRate,
                    EffectiveBatch = one.EffectiveBatch,
                    Precision = one.Precision,
                    LoraRank = one.LoraRank,
                    LoraAlpha = one.LoraAlpha,
                    FrozenBase = one.FrozenBase,
                    DiffersIn = differences,
                    Score = name,
                    Mean = mean,
                    Deviation = values.Count < 2 ? null : Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1)),
                    Runs = values.Count,
                    Seeds = string.Join(' ', runs.Select(run => run.Seed).Order()),
                    Published = other,
                    Difference = mean - other,
                };
            }
        }
    }

    /// <summary>An experiment's name stands before its first score only.</summary>
    private static List<Cell> Cells(ComparisonRow row, bool isFirst) =>
    [
        .. isFirst ? [row.System, row.Profile, ProfileData.ShortName(row.Data), Count(row.Updates), Rate(row.LearningRate), row.DiffersIn]
            : Enumerable.Repeat((Cell)"", 6),
        row.Score, row.Deviation is null ? Share(row.Mean) : $"{Share(row.Mean)} ± {Share(row.Deviation)}", Count(row.Runs), Share(row.Published),
        Difference(row.Mean, row.Published),
    ];

    private static List<Cell> Cells(RunRow run, string differences) =>
    [
        run.Started.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture), run.System, run.Profile, ProfileData.ShortName(run.Data), differences,
        Count(run.Seed),
        Rate(run.LearningRate), Count(run.Updates), run.TrainSeconds is { } seconds ? ColumnDuration(seconds) : "",
        Whole(run.TokensPerSecond),
        run.PeakMemoryBytes is { } bytes ? Gigabytes(bytes) : "",
        Share(run.ValidationF1), Share(run.TestF1), Share(run.TestF1Macro), Share(run.TestF1Strict), Share(run.TestAccuracy),
        new(run.Commit[..Math.Min(8, run.Commit.Length)], IsCode: true),
    ];

    internal static Cell Difference(double ours, double? published) => published is not { } other
        ? new("", Mark.Dim)
        : new((ours - other).ToString("+0.000;−0.000;0.000", CultureInfo.InvariantCulture),
            Math.Abs(ours - other) < 0.0005 ? Mark.None : ours > other ? Mark.Good : Mark.Bad);
}
