using System.Diagnostics;
using System.Runtime.InteropServices;
using NotebookLib.Batching;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Training;

// Shapes: B batch, L length, M guessed pieces, V vocabulary.

/// <summary>Guessing hidden pieces.</summary>
internal sealed class MaskedLanguageTask(
    DebertaV2ForMaskedLM model, IReadOnlyList<int[]> training, IReadOnlyList<int[]> evaluation, MaskedLanguageSettings masking, TrainingSettings settings)
        : ITrainingTask
{
    // Evaluation hides the same pieces every time, so that its losses compare.
    private const long EvaluationDraw = -1;
    private readonly PieceMasker _masker = new(masking, model.Config.VocabSize, settings.Seed);
    private readonly Device _device = model.parameters().First().device;

    public nn.Module Model => model;

    public int RowCount => training.Count;

    public int EvaluationRowCount => evaluation.Count;

    public string DataFingerprint => RowFingerprint.Of(training.Select(ids => (ids, Array.Empty<int>())));

    public IReadOnlyDictionary<string, byte[]> RandomStates => DropoutState.Of(model.Random);

    public int TokensOf(int row) => training[row].Length;

    public double LossWeightOf(int row) => throw new NotSupportedException("Which pieces are guessed is drawn anew every time; use LossAverage MeanOfMeans.");

    public Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor)
    {
        using var scope = NewDisposeScope();
        using var batch = Batch.Pad([.. MemoryMarshal.ToEnumerable(microBatches.Single()).Select(row => _masker.Mask(training[row], first, row))], _device);
        return Loss(batch).unsqueeze(0).MoveToOuterDisposeScope();
    }

    public object Describe(int row) => new { inputIds = training[row] };

    public EvaluationResult Evaluate(PrecisionPolicy precision, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        double lossSum = 0;
        long guesses = 0, tokens = 0;
        model.eval();
        try
        {
            using var noGrad = no_grad();
            foreach (var rows in BatchOrder.SortedByLength([.. evaluation.Select(ids => ids.Length)]).Batches(settings.EvaluationBatchSize))
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                using var batch = Batch.Pad([.. rows.Select(row => _masker.Mask(evaluation[row], EvaluationDraw, row))], _device);
                using var open = precision.Enter();
                lossSum += Platform.DeviceRead.Scalar(Loss(batch)) * (double)batch.LabelledCount;
                guesses += batch.LabelledCount;
                tokens += batch.PieceCount;
            }
        }
        finally
        {
            model.train();
        }

        return new(lossSum / Math.Max(1, guesses), evaluation.Count, tokens, clock.Elapsed.TotalSeconds);
    }

    public void SaveWeights(string folder) => ModelFolder.Save(model, folder);

    public void LoadWeights(string folder) => Weights.Load(model, folder);

    public IDisposable HoldWeights() => model.Deberta.Encoder.KeepWeightCopies();

    public IEnumerable<string> FindContradictions(string folder) => [];

    public void Seed(long seed) => (model.Random.Seed, model.Random.Counter) = (seed, 0);

    public void RestoreRandomStates(IReadOnlyDictionary<string, byte[]> states) => DropoutState.Restore(model.Random, states);

    public void Dispose()
    {
        // The model belongs to the caller, and there is nothing else.
    }

    /// <summary>Mean cross-entropy over the guessed pieces, scored only there.</summary>
    private Tensor Loss(Batch batch)
    {
        using var scope = NewDisposeScope();
        var labels_N = batch.Labels.view(-1);
        var places_M = labels_N.ne(Batch.IgnoredLabel).nonzero().view(-1);
        var scores_MV = model.ScoresAt(batch.InputIds, batch.AttentionMask, places_M);
        return nn.functional.cross_entropy(scores_MV.to(ScalarType.Float32), labels_N.index_select(0, places_M)).MoveToOuterDisposeScope();
    }
}
