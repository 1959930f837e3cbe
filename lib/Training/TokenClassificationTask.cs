using System.Runtime.InteropServices;
using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Training;

// Shapes: N pieces of all sentences, K labels, G micro-batches.

/// <summary>Tagging pieces: the task of the original notebooks.</summary>
internal sealed class TokenClassificationTask : ITrainingTask
{
    /// <summary>With more of the vocabulary in the training rows, the table is trained whole: copying the rows would cost more than it saves.</summary>
    private const double LargestTrainedShare = 0.7;

    private readonly DebertaV2ForTokenClassification _model;
    private readonly IReadOnlyList<EncodedSentence> _training;
    private readonly IReadOnlyList<EncodedSentence> _evaluation;
    private readonly TrainingSettings _settings;
    private readonly LabelSet? _labels;
    private readonly LossFunction _loss;
    private readonly TaggerWeights _weights;
    private readonly Device _device;
    private readonly ICommunicator? _ranks;
    private IDisposable _trainingMemory;

    /// <param name="model">Trained in place.</param>
    /// <param name="labels">Names the label ids; null leaves the scores out.</param>
    /// <param name="training">Rows to train on.</param>
    /// <param name="evaluation">Rows to evaluate on.</param>
    /// <param name="settings">What the run decides.</param>
    /// <param name="readsLate">Whether the run goes as on CUDA; null leaves it to the model's device.</param>
    /// <param name="ranks">Who trains the same and shares the evaluation; null for a process that is alone.</param>
    public TokenClassificationTask(
        DebertaV2ForTokenClassification model, LabelSet? labels, IReadOnlyList<EncodedSentence> training, IReadOnlyList<EncodedSentence> evaluation,
        TrainingSettings settings, bool? readsLate = null, ICommunicator? ranks = null)
    {
        _model = model;
        _ranks = ranks;
        _labels = labels;
        _training = training;
        _evaluation = evaluation;
        _settings = settings;
        _device = model.parameters().First().device;
        _loss = new(settings, _device);
        _weights = new(model);
        ReadsLate = readsLate ?? _device.type == TorchSharp.DeviceType.CUDA;
        TrainedRows = FindTrainedRows();
        model.Deberta.Embeddings.WordEmbeddings.TrainedRows = TrainedRows;
        _trainingMemory = model.Engine.KeepTrainingMemory();
    }

    public nn.Module Model => _model;

    public TrainedRows? TrainedRows { get; }

    public int RowCount => _training.Count;

    public int EvaluationRowCount => _evaluation.Count;

    public string DataFingerprint => RowFingerprint.Of(_training.Select(row => (row.InputIds, row.Labels)));

    public string EvaluationFingerprint => RowFingerprint.Of(_evaluation.Select(row => (row.InputIds, row.Labels)));

    public Parameter? Table => _model.Deberta.Embeddings.WordEmbeddings.Weight is { requires_grad: true } table ? table : null;

    public long[] TableRowsOf(IEnumerable<ReadOnlyMemory<int>> microBatches) =>
        [.. microBatches.SelectMany(MemoryMarshal.ToEnumerable).SelectMany(row => _training[row].InputIds).Distinct().Select(id => (long)id)];

    public IReadOnlyList<IReadOnlyList<Parameter>> Layers => [.. _model.Deberta.Encoder.Layers.Select(layer => layer.parameters().ToList())];

    public IDisposable WatchLayers(Action<int> done)
    {
        _model.Engine.LayerDone = done;
        return new Platform.Ending(() => _model.Engine.LayerDone = null);
    }

    public void SkipRandom(int microBatches) => _model.Random.Counter += (long)microBatches * _model.MasksPerMicroBatch;

    public IReadOnlyDictionary<string, byte[]> RandomStates => RandomState.OfDropout(_model.Random);

    public int TokensOf(int row) => _training[row].Length;

    public double LossWeightOf(int row) => _loss.WeightOf(_training[row].Labels);

    public bool TakesGroups => _model.TakesGroups;

    public bool ReadsLate { get; }

    // A device may have a pass of the longest sentences; on a CPU they only take longer there. A piece's usual sentence: Σ l² / Σ l.
    public int? PiecesThatFit(ScalarType productType) => PassMemory.PiecesThatFit(_model, _device.type == TorchSharp.DeviceType.CPU
        ? (int)Math.Ceiling(_training.Sum(row => (double)row.Length * row.Length) / _training.Sum(row => (double)row.Length))
        : _training.Max(row => row.Length), productType, trains: true);

    public (long Weights, long Activations)? BytesToCome(ScalarType productType)
    {
        if (_device.type != TorchSharp.DeviceType.CPU || _training.Count == 0)
        {
            // A device's memory is asked for before each pass; what does not fit is split.
            return null;
        }

        var lengths = _training.Select(row => row.Length).OrderDescending().ToList();
        var worst = lengths.Take(_settings.BatchSize).Sum(length => (long)length);
        var usual = (long)(_settings.EffectiveBatchSize * lengths.Average());
        var pass = TakesGroups ? Math.Min(usual, _settings.PiecesPerPass ?? PiecesThatFit(productType) ?? 0) : 0;
        return PassMemory.OfTraining(_model, lengths[0], Math.Max(worst, pass), productType, (int?)TrainedRows?.Rows.shape[0]);
    }

    public Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor)
    {
        using var scope = NewDisposeScope();
        using var batch = Gather(microBatches);
        var logits_NK = _model.Score(batch);
        double[] divisors = [.. microBatches.Select(rows => divisor ?? MemoryMarshal.ToEnumerable(rows).Sum(LossWeightOf))];
        return _loss.Compute(logits_NK, batch.Labels, batch.PiecesOfGroups, divisors).MoveToOuterDisposeScope();
    }

    public IDisposable HoldWeights() => _model.Engine.KeepWeightCopies();

    private Batch Gather(IReadOnlyList<ReadOnlyMemory<int>> microBatches)
    {
        using var part = Platform.StepClock.Part("making the batch");
        return Batch.OfGroups([.. microBatches.Select(rows => MemoryMarshal.ToEnumerable(rows).Select(row => _training[row]).ToArray())], _device);
    }

    public object Describe(int row) => new { inputIds = _training[row].InputIds, labels = _training[row].Labels };

    public EvaluationResult Evaluate(PrecisionPolicy precision, CancellationToken cancellation)
    {
        _model.eval();
        try
        {
            return TokenEvaluation.Run(_model, _labels, _evaluation, _settings.EvaluationBatchSize, _settings.EvaluationOrder, precision,
                _settings.PiecesPerPass, _ranks, cancellation);
        }
        finally
        {
            _model.train();
        }
    }

    public void SaveWeights(string folder) => _weights.Save(folder);

    public void LoadWeights(string folder)
    {
        _trainingMemory.Dispose();
        _weights.Load(folder);
        _trainingMemory = _model.Engine.KeepTrainingMemory();
    }

    public IEnumerable<string> FindContradictions(string folder) => _weights.FindContradictions(folder);

    public void Seed(long seed) => (_model.Random.Seed, _model.Random.Counter) = (seed, 0);

    public void RestoreRandomStates(IReadOnlyDictionary<string, byte[]> states) => RandomState.RestoreDropout(_model.Random, states);

    public void Dispose()
    {
        _loss.Dispose();
        _trainingMemory.Dispose();
        _model.Deberta.Embeddings.WordEmbeddings.TrainedRows = null;
        TrainedRows?.Dispose();
    }

    private TrainedRows? FindTrainedRows()
    {
        var table = _model.Deberta.Embeddings.WordEmbeddings.Weight;
        if (!table.requires_grad || table.dtype != ScalarType.Float32 || ReadsLate)
        {
            return null;
        }

        var rows = _training.SelectMany(row => row.InputIds).ToHashSet();
        return rows.Count <= LargestTrainedShare * table.shape[0] ? new(table, rows) : null;
    }
}
