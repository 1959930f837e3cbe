using System.Diagnostics;
using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Metrics;
using NotebookLib.Model;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Training;

// Shapes: N pieces of all sentences, K labels, G batches.

/// <summary>Scores a tagger on rows with labels, piece by piece: what the original's Trainer does at every evaluation.</summary>
public static class TokenEvaluation
{
    /// <summary>Runs the model over all rows.</summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="labels">Names the label ids; null leaves the scores out.</param>
    /// <param name="rows">Rows with labels; −100 is not scored.</param>
    /// <param name="batchSize">Sentences per batch. The loss depends on it; how many batches go through at once follows from the memory of a CUDA
    /// device.</param>
    /// <param name="order">Sorted by length for speed, as given for the reference's loss.</param>
    /// <param name="precision">In which type products run.</param>
    /// <param name="piecesPerPass">Pieces that go through at once, at most; one batch always does. Null: one batch on a CPU, as many as memory holds on
    /// CUDA.</param>
    /// <param name="cancellation">Ends it between passes.</param>
    /// <returns>Loss and scores.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">One batch alone does not fit into the device's memory.</exception>
    public static EvaluationResult Run(
        DebertaV2ForTokenClassification model, LabelSet? labels, IReadOnlyList<EncodedSentence> rows, int batchSize,
        EvaluationOrder order = EvaluationOrder.SortedByLength, PrecisionPolicy? precision = null, int? piecesPerPass = null,
        CancellationToken cancellation = default) =>
        Run(model, labels, rows, batchSize, order, precision, piecesPerPass, null, cancellation);

    /// <summary>The same by ranks, each of which takes a part of the batches; fills the predictions where they are wanted.</summary>
    internal static EvaluationResult Run(
        DebertaV2ForTokenClassification model, LabelSet? labels, IReadOnlyList<EncodedSentence> rows, int batchSize, EvaluationOrder order,
        PrecisionPolicy? precision, int? piecesPerPass, ICommunicator? ranks, CancellationToken cancellation, PredictedPieces[]? predictions = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        RefuseForeignPieces(model, "evaluation", rows);
        var clock = Stopwatch.StartNew();
        int[][] indices = [.. (order == EvaluationOrder.SortedByLength ? BatchOrder.SortedByLength(rows) : BatchOrder.Sequential(rows.Count))
            .Batches(batchSize)];
        EncodedSentence[][] batches = [.. indices.Select(batch => batch.Select(index => rows[index]).ToArray())];
        var parts = new EvaluationParts(ranks, batches, indices);
        var scored = parts.Gather(() => Score(model, parts.OwnBatches, parts.OwnIndices, rows, precision, piecesPerPass, predictions, cancellation),
            predictions, cancellation);

        // transformers 4.35.2, trainer.py evaluation_loop: the batch's loss counts once per row.
        var lossSum = scored.Losses.Zip(batches).Sum(pair => (double)pair.First * pair.Second.Length);
        var scorer = labels is null ? null : Scored(new(labels), batches, scored.Predicted);
        return new(lossSum / Math.Max(1, rows.Count), rows.Count, rows.Sum(row => (long)row.Length), clock.Elapsed.TotalSeconds,
            scorer?.Scores(EntityScheme.Lenient), scorer?.Scores(EntityScheme.StrictIob2));
    }

    private static ScoredBatches Score(
        DebertaV2ForTokenClassification model, EncodedSentence[][] batches, int[][] indices, IReadOnlyList<EncodedSentence> rows, PrecisionPolicy? precision,
        int? piecesPerPass, PredictedPieces[]? predictions, CancellationToken cancellation)
    {
        var (losses, predicted) = (new List<Tensor>(), new List<Tensor>());
        using var scope = NewDisposeScope();
        using var loss = new LossFunction(new(), model.parameters().First().device);
        ScoringPasses.Run(model, batches, piecesPerPass, () => precision?.Enter(), (first, count, batch, logits_NK) =>
        {
            double[] divisors = [.. batches.Skip(first).Take(count).Select(own => own.Sum(row => loss.WeightOf(row.Labels)))];
            var losses_G = loss.Compute(logits_NK, batch.Labels, batch.PiecesOfGroups, divisors);
            var predicted_N = logits_NK.argmax(-1);
            if (predictions is not null)
            {
                Keep(predictions, rows, indices.Skip(first).Take(count).SelectMany(own => own), logits_NK);
            }

            // Last, when nothing can run out of memory any more: a pass that failed is done again.
            losses.Add(losses_G.MoveToOuterDisposeScope());
            predicted.Add(predicted_N.MoveToOuterDisposeScope());
        }, cancellation);
        return new(DeviceRead.Floats(losses),
            predicted.Count == 0 ? [] : Array.ConvertAll(DeviceRead.Host(cat([.. predicted])).data<long>().ToArray(), id => (int)id));
    }

    /// <summary>
    /// Runs the model over all rows as a training with these settings evaluates: same batches, same precision. Ranks that mpirun started
    /// share the batches: all of them have to make the call, and each has the whole result.
    /// </summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="labels">Names the label ids.</param>
    /// <param name="rows">Rows with labels; −100 is not scored.</param>
    /// <param name="settings">Batch size, order and precision.</param>
    /// <param name="keepPredictions">Keeps what was predicted for each piece (9 bytes a piece): word-level scores need no second pass then.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <returns>Loss, scores over pieces, and the predictions if they are kept.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">One batch alone does not fit into the device's memory, or the model gives something that is no number; its
    /// weights are broken.</exception>
    public static EvaluationResult Run(
        DebertaV2ForTokenClassification model, LabelSet labels, IReadOnlyList<EncodedSentence> rows, TrainingSettings settings, bool keepPredictions,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(settings);
        var predictions = keepPredictions ? new PredictedPieces[rows.Count] : null;
        var policy = new PrecisionPolicy(settings.Precision, model.parameters().First().device_type);
        var result = Run(model, labels, rows, settings.EvaluationBatchSize, settings.EvaluationOrder, policy, settings.PiecesPerPass, Ranks.Communicator,
            cancellation, predictions);
        return result with { Predictions = predictions };
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
                    throw new ArgumentException(Invariant($"{what} row {row} has the piece id {id:N0}, the model's embedding {size:N0} rows; ")
                        + "do model and tokenizer belong together?");
                }
            }
        }
    }

    private static SequenceScorer Scored(SequenceScorer scorer, IEnumerable<EncodedSentence[]> batches, int[] predicted)
    {
        var at = 0;
        foreach (var row in batches.SelectMany(batch => batch))
        {
            scorer.Add(row.Labels, predicted.AsSpan(at, row.Length));
            at += row.Length;
        }

        return scorer;
    }

    private static void Keep(PredictedPieces[] predictions, IReadOnlyList<EncodedSentence> rows, IEnumerable<int> indices, Tensor logits_NK)
    {
        using var scope = NewDisposeScope();
        var probabilities_NK = DeviceRead.Host(logits_NK.to(ScalarType.Float32).softmax(-1));
        var labels = (int)probabilities_NK.shape[1];
        var all = probabilities_NK.data<float>().ToArray();
        var at = 0;
        foreach (var index in indices)
        {
            var row = rows[index];
            var (tags, scores, loss, labelled) = (new int[row.Length], new float[row.Length], 0.0, 0);
            for (var i = 0; i < row.Length; i++, at++)
            {
                var piece_K = all.AsSpan(at * labels, labels);
                for (var label = 1; label < labels; label++)
                {
                    tags[i] = piece_K[label] > piece_K[tags[i]] ? label : tags[i];
                }

                scores[i] = float.IsFinite(piece_K[0]) ? piece_K[tags[i]]
                    : throw new InvalidOperationException("The network's scores are not finite; are the weights damaged, or did training diverge?");
                if (row.Labels[i] != Batch.IgnoredLabel)
                {
                    (loss, labelled) = (loss - Math.Log(Math.Max(piece_K[row.Labels[i]], float.Epsilon)), labelled + 1);
                }
            }

            predictions[index] = new(tags, scores, loss, labelled);
        }
    }
}
