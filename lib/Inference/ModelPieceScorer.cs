using NotebookLib.Batching;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Inference;

/// <summary>Scores pieces with a network: longest texts first, in padded batches, without gradients and without dropout. One thread at a time.</summary>
// B rows, L pieces of the longest row, K labels
public sealed class ModelPieceScorer : IPieceScorer
{
    private readonly DebertaV2ForTokenClassification _model;
    private readonly int _batchSize;

    /// <summary>Takes a network; the caller goes on owning it.</summary>
    /// <param name="model">On any device.</param>
    /// <param name="batchSize">Texts that go through the network together, B.</param>
    public ModelPieceScorer(DebertaV2ForTokenClassification model, int batchSize = 32)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        (_model, _batchSize) = (model, batchSize);
    }

    /// <inheritdoc />
    public IReadOnlyList<string> Labels => _model.Config.Labels;

    /// <inheritdoc />
    /// <exception cref="InvalidOperationException">The network gives something that is no number; its weights are broken.</exception>
    public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(inputIds);
        var wasTraining = _model.training;
        _model.eval();
        using var held = _model.Deberta.Encoder.KeepWeightCopies();
        try
        {
            var order = BatchOrder.SortedByLength([.. inputIds.Select(ids => ids.Length)]);
            var logits = new List<float[]>(inputIds.Count);
            foreach (var rows in order.Batches(_batchSize))
            {
                cancellation.ThrowIfCancellationRequested();
                AddLogits([.. rows.Select(row => inputIds[row])], logits);
            }

            return order.PutBack(logits);
        }
        finally
        {
            _model.train(wasTraining);
        }
    }

    private void AddLogits(IReadOnlyList<int[]> rows, List<float[]> logits)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        using var batch = Batch.Pad([.. rows.Select(ids => new EncodedSentence(ids, new int[ids.Length], []))], _model.parameters().First().device);
        var logits_BLK = _model.call(batch.InputIds, batch.AttentionMask).to(ScalarType.Float32).cpu();
        for (var row = 0; row < rows.Count; row++)
        {
            var row_LK = logits_BLK[row].slice(0, 0, rows[row].Length, 1).contiguous().data<float>().ToArray();
            if (!Array.TrueForAll(row_LK, float.IsFinite))
            {
                throw new InvalidOperationException("The network's scores are not finite; are the weights damaged, or did training diverge?");
            }

            logits.Add(row_LK);
        }
    }
}
