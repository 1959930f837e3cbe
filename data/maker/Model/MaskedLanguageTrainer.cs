using System.Diagnostics;
using System.Runtime.InteropServices;
using NotebookLib.Batching;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.SampleMaker.Model;

/// <summary>
/// Pre-trains a small DeBERTa from nothing by letting it guess hidden pieces. The loop, its checkpoints and its exact resume are those of the
/// library's <see cref="Trainer"/>.
/// </summary>
internal static class MaskedLanguageTrainer
{
    /// <summary>Makes a model with random weights and trains it.</summary>
    /// <param name="config">The model's sizes.</param>
    /// <param name="sequences">Piece ids with <c>[CLS]</c> and <c>[SEP]</c>, each as long as the model reads at once.</param>
    /// <param name="masker">Hides pieces.</param>
    /// <param name="settings">How it is trained; <see cref="TrainingSettings.Seed"/> also draws the first weights.</param>
    /// <param name="evaluation">Sequences kept out of the training to measure the loss; none by default.</param>
    /// <param name="observers">Who watches.</param>
    /// <param name="cancellation">Ends the run at the next micro-batch, with a checkpoint.</param>
    /// <returns>The model, owned by the caller, and how the run ended.</returns>
    /// <exception cref="ArgumentException">The settings cannot work: all faults together.</exception>
    public static (DebertaV2ForMaskedLM Model, TrainingResult Result) Train(
        DebertaConfig config, IReadOnlyList<int[]> sequences, PieceMasker masker, TrainingSettings settings,
        IReadOnlyList<int[]>? evaluation = null, IReadOnlyList<ITrainingObserver>? observers = null, CancellationToken cancellation = default)
    {
        settings = settings with { BestMetric = EvaluationResult.LossMetric };
        SettingRules.ThrowIfFaulty(
            "training", TrainingSettingsRules.FindFaults(settings, sequences.Count, evaluation?.Count ?? 0, labels: null, isCuda: false));
        var model = new DebertaV2ForMaskedLM(new ModelBuild(config));
        try
        {
            WeightInitializer.Initialize(model, config, settings.Seed);
            using var task = new MaskedLanguageTask(model, sequences, evaluation ?? [], masker, settings);
            using var loop = new TrainingLoop(task, settings, observers ?? []);
            return (model, loop.Run(cancellation));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}

/// <summary>Guessing hidden pieces.</summary>
internal sealed class MaskedLanguageTask(
    DebertaV2ForMaskedLM model, IReadOnlyList<int[]> training, IReadOnlyList<int[]> evaluation, PieceMasker masker, TrainingSettings settings)
        : ITrainingTask
{
    // Evaluation hides the same pieces every time, so that its losses compare.
    private const long EvaluationDraw = -1;
    private readonly Device _device = model.parameters().First().device;

    public nn.Module Model => model;

    public int RowCount => training.Count;

    public int EvaluationRowCount => evaluation.Count;

    public string DataFingerprint => RowFingerprint.Of(training.Select(ids => (ids, Array.Empty<int>())));

    public IReadOnlyDictionary<string, byte[]> RandomStates => RandomState.OfDropout(model.Random);

    public int TokensOf(int row) => training[row].Length;

    public double LossWeightOf(int row) => throw new NotSupportedException("Which pieces are guessed is drawn anew every time; use LossAverage MeanOfMeans.");

    public Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor)
    {
        using var scope = NewDisposeScope();
        using var batch = Batch.Of([.. MemoryMarshal.ToEnumerable(microBatches.Single()).Select(row => masker.Mask(training[row], first, row))], _device);
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
                using var batch = Batch.Of([.. rows.Select(row => masker.Mask(evaluation[row], EvaluationDraw, row))], _device);
                using var open = precision.Enter();
                lossSum += DeviceRead.Scalar(Loss(batch)) * (double)batch.LabelledCount;
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

    public void SaveWeights(string folder) => model.Save(folder);

    public void LoadWeights(string folder) => WeightFiles.LoadInto(model, folder);

    public IDisposable HoldWeights() => model.Deberta.Encoder.Engine.KeepWeightCopies();

    public IEnumerable<string> FindContradictions(string folder) => [];

    public void Seed(long seed) => (model.Random.Seed, model.Random.Counter) = (seed, 0);

    public void RestoreRandomStates(IReadOnlyDictionary<string, byte[]> states) => RandomState.RestoreDropout(model.Random, states);

    public void Dispose()
    {
        // The model belongs to the caller, and there is nothing else.
    }

    /// <summary>Mean cross-entropy over the guessed pieces, scored only there.</summary>
    private Tensor Loss(Batch batch)
    {
        using var scope = NewDisposeScope();
        var places_M = batch.Labels.ne(Batch.IgnoredLabel).nonzero().view(-1);
        var scores_MV = model.ScoresAt(batch, places_M);
        return nn.functional.cross_entropy(scores_MV.to(ScalarType.Float32), batch.Labels.index_select(0, places_M)).MoveToOuterDisposeScope();
    }
}
