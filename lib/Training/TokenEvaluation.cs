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
        EvaluationOrder order = EvaluationOrder.SortedByLength, PrecisionPolicy? precision = null, CancellationToken cancellation = default) =>
        Run(model, labels, rows, batchSize, order, precision, null, cancellation);

    private static EvaluationResult Run(
        DebertaV2ForTokenClassification model, LabelSet? labels, IReadOnlyList<EncodedSentence> rows, int batchSize, EvaluationOrder order, PrecisionPolicy? precision,
        PredictedPieces[]? predictions, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        RefuseForeignPieces(model, "evaluation", rows);
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
            if (predictions is not null)
            {
                Keep(predictions, rows, indices, logits_BLK);
            }

            if (scorer is not null)
            {
                Score(scorer, rows, indices, logits_BLK.argmax(-1).cpu());
            }
        }

        return new(lossSum / Math.Max(1, rows.Count), rows.Count, tokens, clock.Elapsed.TotalSeconds,
            scorer?.Scores(EntityScheme.Lenient), scorer?.Scores(EntityScheme.StrictIob2));
    }

    /// <summary>Runs the model over all rows as a training with these settings evaluates: same batches, same precision.</summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="labels">Names the label ids.</param>
    /// <param name="rows">Rows with labels; −100 is not scored.</param>
    /// <param name="settings">Batch size, order and precision.</param>
    /// <param name="keepPredictions">Keeps what was predicted for each piece (9 bytes a piece): word-level scores need no second pass then.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <inheritdoc cref="Run(DebertaV2ForTokenClassification, LabelSet?, IReadOnlyList{EncodedSentence}, int, EvaluationOrder, PrecisionPolicy?, CancellationToken)" path="/returns|/exception"/>
    /// <exception cref="InvalidOperationException">The model gives something that is no number; its weights are broken.</exception>
    public static EvaluationResult Run(
        DebertaV2ForTokenClassification model, LabelSet labels, IReadOnlyList<EncodedSentence> rows, TrainingSettings settings, bool keepPredictions, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(settings);
        var predictions = keepPredictions ? new PredictedPieces[rows.Count] : null;
        var policy = new PrecisionPolicy(settings.Precision, model.parameters().First().device_type);
        return Run(model, labels, rows, settings.EvaluationBatchSize, settings.EvaluationOrder, policy, predictions, cancellation) with { Predictions = predictions };
    }

    /// <summary>Refuses rows of another tokenizer before the embedding meets them.</summary>
    /// <exception cref="ArgumentException">A row has a piece that the model's embedding lacks.</exception>
    internal static void RefuseForeignPieces(DebertaV2ForTokenClassification model, string what, IReadOnlyList<EncodedSentence> rows)
    {
        var size = model.Config.VocabSize;
        for (var row = 0; row < rows.Count; row++)
        {
            foreach (var id in rows[row].InputIds)
            {
                if ((uint)id >= (uint)size)
                {
                    throw new ArgumentException(Invariant($"{what} row {row} has the piece id {id:N0}, the model's embedding {size:N0} rows; do model and tokenizer belong together?"));
                }
            }
        }
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

    private static void Keep(PredictedPieces[] predictions, IReadOnlyList<EncodedSentence> rows, int[] indices, Tensor logits_BLK)
    {
        using var scope = NewDisposeScope();
        var probabilities_BLK = logits_BLK.to(ScalarType.Float32).softmax(-1).cpu();
        var (width, labels) = ((int)probabilities_BLK.shape[1], (int)probabilities_BLK.shape[2]);
        var all = probabilities_BLK.data<float>().ToArray();
        for (var r = 0; r < indices.Length; r++)
        {
            var row = rows[indices[r]];
            var (tags, scores, loss, labelled) = (new int[row.Length], new float[row.Length], 0.0, 0);
            for (var i = 0; i < row.Length; i++)
            {
                var piece_K = all.AsSpan(((r * width) + i) * labels, labels);
                for (var label = 1; label < labels; label++)
                {
                    tags[i] = piece_K[label] > piece_K[tags[i]] ? label : tags[i];
                }

                scores[i] = float.IsFinite(piece_K[0]) ? piece_K[tags[i]] : throw new InvalidOperationException("The network's scores are not finite; are the weights damaged, or did training diverge?");
                if (row.Labels[i] != Batch.IgnoredLabel)
                {
                    (loss, labelled) = (loss - Math.Log(Math.Max(piece_K[row.Labels[i]], float.Epsilon)), labelled + 1);
                }
            }

            predictions[indices[r]] = new(tags, scores, loss, labelled);
        }
    }
}
