using System.Diagnostics;
using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Metrics;
using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Training;

// Shapes: B batch, L length, K labels.

/// <summary>Scores a tagger on rows with labels, piece by piece: what the original's Trainer does at every evaluation.</summary>
public static class TokenEvaluation
{
    /// <summary>Runs the model over all rows.</summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="labels">Names the label ids; null leaves the scores out.</param>
    /// <param name="rows">Rows with labels; −100 is not scored.</param>
    /// <param name="batchSize">Sentences per batch.</param>
    /// <param name="order">Sorted by length for speed, as given for the reference's loss.</param>
    /// <param name="precision">In which type products run.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <returns>Loss and scores.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static EvaluationResult Run(
        DebertaV2ForTokenClassification model, LabelSet? labels, IReadOnlyList<EncodedSentence> rows, int batchSize,
        EvaluationOrder order = EvaluationOrder.SortedByLength, PrecisionPolicy? precision = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        var clock = Stopwatch.StartNew();
        var scorer = labels is null ? null : new SequenceScorer(labels);
        var device = model.parameters().First().device;
        var rowOrder = order == EvaluationOrder.SortedByLength ? BatchOrder.SortedByLength(rows) : BatchOrder.Sequential(rows.Count);
        var lossSum = 0.0;
        long tokens = 0;
        using var held = model.Deberta.Encoder.KeepWeightCopies();
        using var noGrad = no_grad(); // Not inference_mode: tables that the model caches on the way must serve training afterwards.
        foreach (var indices in rowOrder.Batches(batchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var batch = Batch.Pad(rows, indices, device);
            Tensor logits_BLK;
            using (precision?.Enter())
            {
                logits_BLK = model.call(batch.InputIds, batch.AttentionMask);
            }

            // transformers 4.35.2, trainer.py evaluation_loop: the batch's loss counts once per row.
            lossSum += DebertaV2ForTokenClassification.Loss(logits_BLK, batch.Labels).ToDouble() * batch.RowCount;
            tokens += batch.PieceCount;
            if (scorer is not null)
            {
                Score(scorer, rows, indices, logits_BLK.argmax(-1).cpu());
            }
        }

        return new(lossSum / Math.Max(1, rows.Count), rows.Count, tokens, clock.Elapsed.TotalSeconds,
            scorer?.Scores(EntityScheme.Lenient), scorer?.Scores(EntityScheme.StrictIob2));
    }

    private static void Score(SequenceScorer scorer, IReadOnlyList<EncodedSentence> rows, int[] indices, Tensor predicted_BL)
    {
        var width = (int)predicted_BL.shape[1];
        var predicted = predicted_BL.data<long>().ToArray();
        for (var r = 0; r < indices.Length; r++)
        {
            var row = rows[indices[r]];
            var tags = new int[row.Length];
            for (var i = 0; i < tags.Length; i++)
            {
                tags[i] = (int)predicted[(r * width) + i];
            }

            scorer.Add(row.Labels, tags);
        }
    }
}
