using NotebookLib.Charts;
using NotebookLib.Html;

namespace NotebookLib.Results;

/// <summary>One row of the published scores.</summary>
internal sealed record PublishedRow
{
    /// <summary><c>base-A</c>, <c>base-B</c> or <c>large-LoRA-A</c>.</summary>
    public required string System { get; init; }

    /// <summary>What was counted: <c>words</c> (after the back-alignment; the published table) or <c>pieces</c>.</summary>
    public required string Level { get; init; }

    /// <summary>Entity type, or <c>micro avg</c>, <c>macro avg</c>, <c>weighted avg</c>.</summary>
    public required string Row { get; init; }

    /// <summary>0 to 1.</summary>
    public double Precision { get; init; }

    /// <summary>0 to 1.</summary>
    public double Recall { get; init; }

    /// <summary>0 to 1.</summary>
    public double F1 { get; init; }

    /// <summary>Gold entities, every sentence counted twice as the original did (a listing bug of datasets 2.15).</summary>
    public long? Support { get; init; }

    /// <summary>Share of right tags, 0 to 1.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Where the numbers stand.</summary>
    public string Source { get; init; } = "";
}

/// <summary>The published results: <c>results/published.csv</c> and <c>results/published-curves.csv</c>, which are compiled into the library.</summary>
public static class Published
{
    // RECIPE "Train": planned updates of each run; the large run was interrupted at 4,113.
    private const int BaseUpdates = 6153;
    private const int LargeUpdates = 10255;

    private static readonly Lazy<List<PublishedRow>> LoadedRows = new(() => Load<PublishedRow>("published.csv"));
    private static readonly Lazy<List<CurveRow>> LoadedCurves = new(() => Load<CurveRow>("published-curves.csv"));

    /// <summary>All published scores on the test split.</summary>
    internal static IReadOnlyList<PublishedRow> Rows => LoadedRows.Value;

    /// <summary>The word-level row of a system, or null when it was not published.</summary>
    /// <param name="system"><c>base-A</c>, <c>base-B</c> or <c>large-LoRA-A</c>.</param>
    /// <param name="row">Entity type, or <c>micro avg</c>, <c>macro avg</c>, <c>weighted avg</c>.</param>
    internal static PublishedRow? Find(string system, string row) =>
        Rows.FirstOrDefault(published => published.System == system && published.Level == "words" && published.Row == row);

    /// <summary>
    /// Whether a run is a repetition of a published one: the same pre-trained model, or the author's own weights, on all of MultiNERD's English part.
    /// </summary>
    /// <param name="system"><c>base-A</c>, <c>base-B</c> or <c>large-LoRA-A</c>.</param>
    /// <param name="model">The run's model, by its name on the Hub; empty in a row that does not say.</param>
    /// <param name="data">The run's data, as its row names them; empty in a row that does not say.</param>
    public static bool IsOf(string system, string model, string data)
    {
        ArgumentNullException.ThrowIfNull(model);
        var name = model.Split('@')[0];
        return data is ProfileData.MultiNerd or "" && system switch
        {
            "base-A" => name is "microsoft/deberta-v3-base" or "alexeyak/deberta-v3-base-ner-A" or "",
            "base-B" => name is "microsoft/deberta-v3-base" or "alexeyak/deberta-v3-base-ner-B" or "",
            "large-LoRA-A" => name is "microsoft/deberta-v3-large" or "",
            _ => false,
        };
    }

    /// <summary>F1 of each entity type of a system, words; empty for a system that was not published.</summary>
    public static IReadOnlyList<TypeF1> TypeF1(string system) =>
        [.. Rows.Where(row => row.System == system && row.Level == "words" && !row.Row.EndsWith(" avg", StringComparison.Ordinal))
            .Select(row => new TypeF1(row.Row, row.F1, (int)(row.Support ?? 0)))];

    /// <summary>The curves of a system's training, or null when they were not published.</summary>
    public static PublishedCurves? Curves(string system)
    {
        var rows = LoadedCurves.Value.Where(row => row.System == system).ToList();
        Curve Of(Func<CurveRow, double> value) => Curve.Of(rows, row => row.Update, value);
        return rows.Count == 0
            ? null
            : new(system, system.StartsWith("large", StringComparison.Ordinal) ? LargeUpdates : BaseUpdates, Of(row => row.EvaluationLoss), Of(row => row.F1));
    }

    private static List<T> Load<T>(string file)
        where T : notnull
    {
        using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(EmbeddedText.Read("Results/" + file)));
        return CsvLedger<T>.Read(stream, "results/" + file);
    }

    private sealed record CurveRow
    {
        public required string System { get; init; }

        public long Update { get; init; }

        public double TrainingLoss { get; init; }

        public double EvaluationLoss { get; init; }

        public double Precision { get; init; }

        public double Recall { get; init; }

        public double F1 { get; init; }

        public double Accuracy { get; init; }
    }
}
