using NotebookLib.Batching;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Inference;

/// <summary>Scores pieces with a network: longest texts first, without padding, gradients and dropout. One thread at a time.</summary>
// N pieces of all texts, K labels
public sealed class ModelPieceScorer : IPieceScorer
{
    private readonly DebertaV2ForTokenClassification _model;
    private readonly int _batchSize;
    private readonly PrecisionPolicy _precision;

    /// <summary>Takes a network; the caller goes on owning it.</summary>
    /// <param name="model">On any device.</param>
    /// <param name="batchSize">About how many texts go through the network together: batches are even, so that no small one is left over; on a CUDA device as
    /// many of them at once as its memory holds.</param>
    /// <param name="precision">In which type products run.</param>
    /// <exception cref="PlatformNotSupportedException">That precision cannot be had here.</exception>
    public ModelPieceScorer(DebertaV2ForTokenClassification model, int batchSize = 32, TrainingPrecision precision = TrainingPrecision.Float32)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        (_model, _batchSize, _precision) = (model, batchSize, new(precision, model.Classifier.Weight.device_type));
        _precision.EnsureAvailable();
    }

    /// <summary>The network.</summary>
    public DebertaV2ForTokenClassification Model => _model;

    /// <inheritdoc />
    public IReadOnlyList<string> Labels => _model.Config.Labels;

    /// <summary>Pieces scored so far.</summary>
    internal long PiecesScored { get; private set; }

    /// <inheritdoc />
    public int MaximumPieces => _model.Config.MaxPositionEmbeddings;

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">The precision is int8, and this network does not run on the kernels, which alone have it.</exception>
    /// <exception cref="InvalidOperationException">The network gives something that is no number; its weights are broken.</exception>
    public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(inputIds);
        var wasTraining = _model.training;
        _model.eval();
        try
        {
            var order = BatchOrder.SortedByLength([.. inputIds.Select(ids => ids.Length)]);
            EncodedSentence[][] batches =
                [.. order.Batches(EvenSize(inputIds.Count))
                .Select(rows => rows.Select(row => new EncodedSentence(inputIds[row], new int[inputIds[row].Length], [])).ToArray())];
            var logits = new List<float[]>(inputIds.Count);
            ScoringPasses.Run(_model, batches, piecesPerPass: null, _precision.Enter, (_, _, batch, logits_NK) => AddRows(batch, logits_NK, logits),
                cancellation);
            return order.PutBack(logits);
        }
        finally
        {
            _model.train(wasTraining);
        }
    }

    private int EvenSize(int count)
    {
        var batches = Math.Max(1, (int)Math.Round((double)count / _batchSize));
        return Math.Max(1, (count + batches - 1) / batches);
    }

    private void AddRows(Batch batch, Tensor logits_NK, List<float[]> logits)
    {
        PiecesScored += batch.PieceCount;
        var width = (int)logits_NK.shape[1];
        ReadOnlySpan<float> values = DeviceRead.Floats([logits_NK.to(ScalarType.Float32)]);
        foreach (var length in batch.Lengths)
        {
            var row_LK = values[..(length * width)].ToArray();
            values = values[row_LK.Length..];
            if (!Array.TrueForAll(row_LK, float.IsFinite))
            {
                throw new InvalidOperationException("The network's scores are not finite; are the weights damaged, or did training diverge?");
            }

            logits.Add(row_LK);
        }
    }
}
