using NotebookLib.Batching;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Inputs;

/// <summary>
/// One micro-batch and one update of ours: the calls that <see cref="TrainingLoop"/> makes, so that they can be timed in turn with the transcription's.
/// </summary>
internal sealed class OurTrainer : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly TokenClassificationTask _task;
    private readonly AdamWOptimiser _optimiser;
    private readonly ICommunicator? _ranks;
    private readonly EncodedSentence[] _rows;
    private readonly HeapTrimmer _heap = new();
    private readonly DeviceType _device;
    private IDisposable? _held;

    /// <summary>Prepares the training of a network.</summary>
    /// <param name="model">Ours.</param>
    /// <param name="batches">The micro-batches that will be asked for by number.</param>
    /// <param name="accumulation">Micro-batches per update.</param>
    /// <param name="ranks">Who trains the same together; null for nobody.</param>
    public OurTrainer(DebertaV2ForTokenClassification model, IReadOnlyList<EncodedSentence[]> batches, int accumulation, ICommunicator? ranks = null)
    {
        _ranks = ranks;
        _settings = new TrainingSettings { BatchSize = batches[0].Length, AccumulationSteps = accumulation };
        _rows = [.. batches.SelectMany(batch => batch)];
        _task = new(model, null, _rows, [], _settings);
        _optimiser = new(ParameterGroups.Of(model), _settings, _task.TrainedRows);
        Exchange = ranks is null ? null : new(ranks, _task, _optimiser.Slots);
        _device = model.Classifier.Weight.device_type;
        model.train();
    }

    /// <summary>The sums over ranks; null where there are none.</summary>
    public GradientExchange? Exchange { get; }

    /// <summary>An update of some micro-batches, of which this rank takes its part.</summary>
    /// <param name="microBatches">How many there are.</param>
    /// <param name="isHalf">Whether products are in bfloat16.</param>
    /// <param name="overlaps">Whether sums begin while the last backward pass is at work, or after it.</param>
    public void SharedUpdate(int microBatches, bool isHalf, bool overlaps)
    {
        Exchange?.Begin(Enumerable.Range(0, microBatches).Select(RowsOf));
        var (first, count) = _ranks?.PartOf(microBatches) ?? (0, microBatches);
        foreach (var (start, length) in Passes(microBatches, isHalf, first, count))
        {
            using (Exchange is not null && overlaps && start + length == first + count ? _task.WatchLayers(Exchange.LayerDone) : null)
            {
                MicroBatches(start, length, isHalf);
            }
        }

        _ = Exchange?.Finish(new float[microBatches], wishesStop: false);
        Update();
    }

    /// <summary>Forward and backward of micro-batch i.</summary>
    public void MicroBatch(int i, bool isHalf) => MicroBatches(i, 1, isHalf);

    /// <summary>The micro-batches of an update in the passes that the trainer would make of them.</summary>
    /// <param name="microBatches">How many there are.</param>
    /// <param name="isHalf">Whether products are in bfloat16.</param>
    public IReadOnlyList<(int First, int Count)> Passes(int microBatches, bool isHalf) => Passes(microBatches, isHalf, 0, microBatches);

    private List<(int First, int Count)> Passes(int microBatches, bool isHalf, int from, int count)
    {
        int[] pieces = [.. Enumerable.Range(0, microBatches).Select(i => _rows.Skip(i * _settings.BatchSize).Take(_settings.BatchSize).Sum(row => row.Length))];
        var most = _task.PiecesThatFit(isHalf ? ScalarType.BFloat16 : ScalarType.Float32) ?? 0;
        List<(int First, int Count)> passes = [];
        for (var first = from; first < from + count; first += passes[^1].Count)
        {
            passes.Add((first, PassMemory.Count(pieces[..(from + count)], first, most)));
        }

        return passes;
    }

    /// <summary>Forward and backward of some micro-batches in one pass.</summary>
    public void MicroBatches(int first, int count, bool isHalf)
    {
        using var scope = NewDisposeScope();
        _held ??= _task.HoldWeights();
        ReadOnlyMemory<int>[] rows = [.. Enumerable.Range(first, count).Select(RowsOf)];
        Tensor loss;
        using (new PrecisionPolicy(isHalf ? TrainingPrecision.BFloat16 : TrainingPrecision.Float32, _device).Enter())
        {
            loss = _task.ComputeLosses(rows, first, null).sum();
        }

        BackwardPass.Run(loss / _settings.AccumulationSteps);
    }

    private ReadOnlyMemory<int> RowsOf(int microBatch) => Enumerable.Range(microBatch * _settings.BatchSize, _settings.BatchSize).ToArray();

    /// <summary>Clip, AdamW, forget the gradients.</summary>
    public void Update()
    {
        using var scope = NewDisposeScope();
        _held?.Dispose();
        _held = null;
        _optimiser.ClipGradients(_optimiser.GradientNorm(), _settings.MaximumGradientNorm);
        _optimiser.Step(_settings.LearningRate);
        _optimiser.ClearGradients();
        _ = _heap.AfterUpdate();
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _held?.Dispose();
        _optimiser.ClearGradients();
        Exchange?.Dispose();
        _optimiser.Dispose();
        _task.Dispose();
    }
}
