using NotebookLib.Alignment;
using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Metrics;
using NotebookLib.Training;

namespace NotebookLib.Inference;

/// <summary>A split judged word by word, with everything that a judgement needs.</summary>
/// <param name="Sentences">Each sentence with gold and predicted word tags and its loss, in order.</param>
/// <param name="Scores">Words, seqeval's default mode.</param>
/// <param name="Strict">Words, seqeval's strict IOB2.</param>
/// <param name="Calibration">Of each word: how sure the deciding piece was, and whether the word's tag is right.</param>
/// <param name="Loss">Mean cross-entropy over all labelled pieces, nats.</param>
public sealed record JudgedSplit(IReadOnlyList<JudgedSentence> Sentences, SequenceScores Scores, SequenceScores Strict, Calibration Calibration, double Loss)
{
    /// <summary>
    /// Brings the predictions of pieces back to the words (<see cref="LabelAligner.AlignTagsWithWords"/>) and scores these, as the published tables do.
    /// </summary>
    /// <param name="sentences">With gold tags; may be empty, and may hold no entity.</param>
    /// <param name="rows">The same sentences as pieces.</param>
    /// <param name="predicted">What a model predicted for the rows, predictions kept.</param>
    /// <param name="labels">Names the tags.</param>
    /// <exception cref="ArgumentException">Sentences, rows and predictions do not belong together, or no predictions were kept.</exception>
    public static JudgedSplit Of(IReadOnlyList<Sentence> sentences, IReadOnlyList<EncodedSentence> rows, EvaluationResult predicted, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(predicted);
        ArgumentNullException.ThrowIfNull(labels);
        var pieces = predicted.Predictions
            ?? throw new ArgumentException("The evaluation kept no predictions; run it with keepPredictions: true.", nameof(predicted));
        if (sentences.Count != rows.Count || rows.Count != pieces.Count)
        {
            throw new ArgumentException($"There are {sentences.Count} sentences, {rows.Count} rows and predictions of {pieces.Count}; "
                + "expected as many of each, in one order.", nameof(rows));
        }

        var (judged, scorer, calibration) = (new List<JudgedSentence>(sentences.Count), new SequenceScorer(labels), new Calibration());
        for (var i = 0; i < sentences.Count; i++)
        {
            judged.Add(JudgeOne(sentences[i], rows[i].WordIds, pieces[i], calibration));
            scorer.Add([.. judged[i].Gold], (ReadOnlySpan<int>)[.. judged[i].Predicted]);
        }

        var labelled = pieces.Sum(row => (long)row.LabelledPieces);
        return new(judged, scorer.Scores(EntityScheme.Lenient), scorer.Scores(EntityScheme.StrictIob2), calibration,
            labelled == 0 ? 0 : pieces.Sum(row => row.LossSum) / labelled);
    }

    private static JudgedSentence JudgeOne(Sentence sentence, int[] wordIds, PredictedPieces pieces, Calibration calibration)
    {
        var tags = LabelAligner.AlignTagsWithWords(pieces.Tags, wordIds, sentence.Words.Count);
        var confidences = EntityTagger.ScoresOfWords(pieces.Tags, pieces.Scores, wordIds, sentence.Words.Count);
        foreach (var word in wordIds.Where(word => word >= 0).Distinct())
        {
            calibration.Add(confidences[word], tags[word] == sentence.Tags[word]);
        }

        return new(sentence.Words, sentence.Tags, tags, pieces.LabelledPieces == 0 ? null : pieces.LossSum / pieces.LabelledPieces);
    }
}
