using System.Runtime.InteropServices;
using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Training;

// Shapes: B batch, L length, K labels.

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
    private IDisposable _trainingMemory;

    public TokenClassificationTask(
        DebertaV2ForTokenClassification model, LabelSet? labels, IReadOnlyList<EncodedSentence> training, IReadOnlyList<EncodedSentence> evaluation, TrainingSettings settings)
    {
        _model = model;
        _labels = labels;
        _training = training;
        _evaluation = evaluation;
        _settings = settings;
        _device = model.parameters().First().device;
        _loss = new(settings, _device);
        _weights = new(model);
        TrainedRows = FindTrainedRows();
        model.Deberta.Embeddings.WordEmbeddings.TrainedRows = TrainedRows;
        _trainingMemory = model.Deberta.Encoder.KeepTrainingMemory();
    }

    public nn.Module Model => _model;

    public TrainedRows? TrainedRows { get; }

    public int RowCount => _training.Count;

    public int EvaluationRowCount => _evaluation.Count;

    public string DataFingerprint => RowFingerprint.Of(_training.Select(row => (row.InputIds, row.Labels)));

    public IReadOnlyDictionary<string, byte[]> RandomStates => DropoutState.Of(_model.Random);

    public int TokensOf(int row) => _training[row].Length;

    public double LossWeightOf(int row) => _loss.WeightOf(_training[row].Labels);

    public Tensor ComputeLoss(ReadOnlyMemory<int> rows, long microBatch, double? divisor)
    {
        using var scope = NewDisposeScope();
        using var batch = PadBatch(rows);
        var logits_BLK = _model.call(batch.InputIds, batch.AttentionMask);
        return _loss.Compute(logits_BLK, batch.Labels, divisor).MoveToOuterDisposeScope();
    }

    public IDisposable HoldWeights() => _model.Deberta.Encoder.KeepWeightCopies();

    private Batch PadBatch(ReadOnlyMemory<int> rows)
    {
        using var part = Platform.StepClock.Part("making the batch");
        return Batch.Pad(_training, MemoryMarshal.ToEnumerable(rows), _device);
    }

    public object Describe(int row) => new { inputIds = _training[row].InputIds, labels = _training[row].Labels };

    public EvaluationResult Evaluate(PrecisionPolicy precision, CancellationToken cancellation)
    {
        _model.eval();
        try
        {
            return TokenEvaluation.Run(_model, _labels, _evaluation, _settings.EvaluationBatchSize, _settings.EvaluationOrder, precision, cancellation);
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
        _trainingMemory = _model.Deberta.Encoder.KeepTrainingMemory();
    }

    public IEnumerable<string> FindContradictions(string folder) => _weights.FindContradictions(folder);

    public void Seed(long seed) => (_model.Random.Seed, _model.Random.Counter) = (seed, 0);

    public void RestoreRandomStates(IReadOnlyDictionary<string, byte[]> states) => DropoutState.Restore(_model.Random, states);

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
        if (!table.requires_grad || table.dtype != ScalarType.Float32 || _device.type != TorchSharp.DeviceType.CPU)
        {
            return null;
        }

        var rows = _training.SelectMany(row => row.InputIds).ToHashSet();
        return rows.Count <= LargestTrainedShare * table.shape[0] ? new(table, rows) : null;
    }
}
