namespace NotebookLib.Metrics;

/// <summary>One row of a report: a type, or an average over types.</summary>
/// <param name="Name">The type, or <c>micro avg</c>, <c>macro avg</c>, <c>weighted avg</c>.</param>
/// <param name="Precision">Correct over predicted entities.</param>
/// <param name="Recall">Correct over gold entities.</param>
/// <param name="F1">Harmonic mean of precision and recall (for macro and weighted: the mean of the types' F1).</param>
/// <param name="Support">Gold entities.</param>
/// <param name="Predicted">Predicted entities.</param>
/// <param name="Correct">Entities predicted with the very words and type.</param>
public sealed record ScoreRow(string Name, double Precision, double Recall, double F1, long Support, long Predicted, long Correct);

/// <summary>
/// The scores of a tagger as seqeval 1.2.2 computes them: entities count only when words and type agree. Types are those that occur, in gold or prediction.
/// </summary>
/// <param name="Scheme">How tags were read as entities.</param>
/// <param name="Types">One row per type that occurs, by name.</param>
/// <param name="Micro">All entities in one pot: the headline figures.</param>
/// <param name="Macro">Unweighted mean over types.</param>
/// <param name="Weighted">Mean over types, weighted by support.</param>
/// <param name="Accuracy">Share of tags predicted exactly; 0 when there were none.</param>
/// <param name="SentenceCount">Sentences scored.</param>
/// <param name="TokenCount">Tags scored (words, or pieces with a label).</param>
public sealed record SequenceScores(
    EntityScheme Scheme, IReadOnlyList<ScoreRow> Types, ScoreRow Micro, ScoreRow Macro, ScoreRow Weighted, double Accuracy, long SentenceCount, long TokenCount)
{
    /// <summary>Scores sentences given as tag names, all at once; <see cref="SequenceScorer"/> takes them one by one.</summary>
    /// <exception cref="ArgumentException">Sequences do not pair up, or a tag is none of IOB2.</exception>
    public static SequenceScores Compute(
        IReadOnlyList<IReadOnlyList<string>> gold, IReadOnlyList<IReadOnlyList<string>> predicted, EntityScheme scheme, int zeroDivision = 0)
    {
        ArgumentNullException.ThrowIfNull(gold);
        ArgumentNullException.ThrowIfNull(predicted);
        if (gold.Count != predicted.Count)
        {
            throw new ArgumentException($"{gold.Count} gold sentences but {predicted.Count} predicted ones; expected one for each.", nameof(predicted));
        }

        var scorer = new SequenceScorer();
        for (var i = 0; i < gold.Count; i++)
        {
            scorer.Add(gold[i], predicted[i]);
        }

        return scorer.Scores(scheme, zeroDivision);
    }

    /// <summary>The text of seqeval's <c>classification_report(digits=…)</c>, character by character.</summary>
    /// <param name="digits">Digits behind the decimal point, 0 to 15.</param>
    /// <returns>Lines separated by <c>\n</c>. Without any entity, where seqeval fails, the three average rows alone.</returns>
    public string ToReport(int digits = 2) => ReportText.Format(this, digits);

    // seqeval 1.2.2, seqeval/metrics/v1.py: _precision_recall_fscore_support.
    internal static SequenceScores Of(
        EntityScheme scheme, IReadOnlyList<string> names, EntityCounts counts, double accuracy, long sentenceCount, long tokenCount, int zeroDivision)
    {
        var types = names
            .Select((name, type) => counts[type].ToRow(name, zeroDivision))
            .Where(row => row.Support + row.Predicted > 0)
            .OrderBy(row => row.Name, StringComparer.Ordinal)
            .ToList();
        var total = new EntityCounts.Tally
        {
            Gold = types.Sum(row => row.Support),
            Predicted = types.Sum(row => row.Predicted),
            Correct = types.Sum(row => row.Correct),
        };
        return new(
            scheme, types, total.ToRow("micro avg", zeroDivision), MacroOf("macro avg", types, total, zeroDivision),
            WeightedOf("weighted avg", types, total, zeroDivision), accuracy, sentenceCount, tokenCount);
    }

    private static ScoreRow MacroOf(string name, List<ScoreRow> types, EntityCounts.Tally total, int zeroDivision) => types.Count == 0
        ? total.ToRow(name, zeroDivision)
        : new(name, types.Average(row => row.Precision), types.Average(row => row.Recall), types.Average(row => row.F1),
            total.Gold, total.Predicted, total.Correct);

    private static ScoreRow WeightedOf(string name, List<ScoreRow> types, EntityCounts.Tally total, int zeroDivision)
    {
        if (total.Gold == 0)
        {
            var undefined = total.Predicted == 0 ? zeroDivision : 0;
            return new(name, undefined, zeroDivision, undefined, 0, total.Predicted, 0);
        }

        double Mean(Func<ScoreRow, double> score) => types.Sum(row => row.Support * score(row)) / total.Gold;
        return new(name, Mean(row => row.Precision), Mean(row => row.Recall), Mean(row => row.F1), total.Gold, total.Predicted, total.Correct);
    }
}
