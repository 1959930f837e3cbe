using System.Collections.Frozen;
using System.Text.Json.Serialization;
using NotebookLib.Metrics;

namespace NotebookLib.Training;

/// <summary>What was predicted for the pieces of one row.</summary>
/// <param name="Tags">The best label of each piece, [L].</param>
/// <param name="Scores">Its probability, 0 to 1, [L].</param>
/// <param name="LossSum">Cross-entropy summed over the labelled pieces, nats.</param>
/// <param name="LabelledPieces">How many those are.</param>
internal sealed record PredictedPieces(int[] Tags, float[] Scores, double LossSum, int LabelledPieces);

/// <summary>What one pass over the evaluation rows gave. Scores count pieces with a label (not −100), as the original's <c>compute_metrics</c> does.</summary>
/// <param name="Loss">Cross-entropy as transformers 4.35.2 reports it: the mean over each batch's labelled pieces, then the mean over rows, each row with its
/// batch's value.</param>
/// <param name="Rows">Sentences scored.</param>
/// <param name="Tokens">Pieces read, without padding.</param>
/// <param name="ElapsedSeconds">Time of the pass.</param>
/// <param name="Scores">seqeval's default mode; null where nothing is tagged (no label names, or masked-language modelling).</param>
/// <param name="StrictScores">seqeval's strict IOB2 mode.</param>
public sealed record EvaluationResult(double Loss, int Rows, long Tokens, double ElapsedSeconds, SequenceScores? Scores = null,
    SequenceScores? StrictScores = null)
{
    /// <summary>What was predicted for each row, in the rows' order; null when that was not asked for.</summary>
    [JsonIgnore]
    internal IReadOnlyList<PredictedPieces>? Predictions { get; init; }

    /// <summary>The name of the loss among the metrics: the one of which less is better.</summary>
    public const string LossMetric = "loss";

    private static readonly FrozenDictionary<string, Func<EvaluationResult, double>> Readers = new Dictionary<string, Func<EvaluationResult, double>>
    {
        [LossMetric] = result => result.Loss,
        ["f1"] = result => result.Scores!.Micro.F1,
        ["precision"] = result => result.Scores!.Micro.Precision,
        ["recall"] = result => result.Scores!.Micro.Recall,
        ["accuracy"] = result => result.Scores!.Accuracy,
        ["f1_macro"] = result => result.Scores!.Macro.F1,
        ["precision_macro"] = result => result.Scores!.Macro.Precision,
        ["recall_macro"] = result => result.Scores!.Macro.Recall,
        ["f1_weighted"] = result => result.Scores!.Weighted.F1,
        ["f1_strict"] = result => result.StrictScores!.Micro.F1,
        ["f1_strict_macro"] = result => result.StrictScores!.Macro.F1,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Names that <see cref="TrainingSettings.BestMetric"/> may have.</summary>
    public static IReadOnlyList<string> KnownMetrics { get; } = [.. Readers.Keys.Order(StringComparer.Ordinal)];

    /// <summary>All metrics by name.</summary>
    [JsonIgnore]
    public IReadOnlyDictionary<string, double> Metrics => KnownMetrics
        .Where(name => Scores is not null || name == LossMetric)
        .ToDictionary(name => name, name => Readers[name](this), StringComparer.Ordinal);

    /// <summary>True when a value of a metric beats another; a value that is no number beats nothing.</summary>
    public static bool IsBetter(string metric, double value, double? than) =>
        !double.IsNaN(value) && (than is not { } best || double.IsNaN(best) || (metric == LossMetric ? value < best : value > best));
}
