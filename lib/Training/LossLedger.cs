using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>Sums losses on their device in float32, as the reference does, so that a value is read once per log and not once per step.</summary>
internal sealed class LossLedger(Device device) : IDisposable
{
    private readonly Tensor _sinceLog = zeros([], device: device).DetachFromDisposeScope();
    private readonly Tensor _update = zeros([], device: device).DetachFromDisposeScope();
    private readonly List<(long MicroBatch, Tensor Loss)> _microBatches = [];

    /// <summary>Adds a micro-batch's share of its update's loss.</summary>
    public void Add(long microBatch, Tensor loss)
    {
        using var scope = NewDisposeScope(); // In-place operations return a new handle each.
        var value = loss.detach().DetachFromDisposeScope();
        _microBatches.Add((microBatch, value));
        _update.add_(value);
    }

    /// <summary>The update was made: its loss counts.</summary>
    public void CommitUpdate()
    {
        using var scope = NewDisposeScope();
        _sinceLog.add_(_update);
        ClearUpdate();
    }

    /// <summary>Forgets the current update's loss.</summary>
    public void ClearUpdate()
    {
        using var scope = NewDisposeScope();
        _update.zero_();
        _microBatches.ForEach(pair => pair.Loss.Dispose());
        _microBatches.Clear();
    }

    /// <summary>Reads the sum since the last log and starts a new one.</summary>
    public float TakeSinceLog()
    {
        using var scope = NewDisposeScope();
        var sum = _sinceLog.item<float>();
        _sinceLog.zero_();
        return sum;
    }

    /// <summary>Both sums, for a checkpoint.</summary>
    public (float SinceLog, float Update) Read() => (_sinceLog.item<float>(), _update.item<float>());

    /// <summary>Goes on from a checkpoint's sums.</summary>
    public void Restore(float sinceLog, float update)
    {
        using var scope = NewDisposeScope();
        _sinceLog.fill_(sinceLog);
        _update.fill_(update);
    }

    /// <summary>The shares of the current update's micro-batches since the process began.</summary>
    public IReadOnlyList<(long MicroBatch, float Loss)> MicroBatches => [.. _microBatches.Select(pair => (pair.MicroBatch, pair.Loss.item<float>()))];

    /// <inheritdoc />
    public void Dispose()
    {
        ClearUpdate();
        _sinceLog.Dispose();
        _update.Dispose();
    }
}
