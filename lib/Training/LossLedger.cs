using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>Sums losses on their device in float32, as the reference does, so that a value is read once per log and not once per step.</summary>
internal sealed class LossLedger(Device device) : IDisposable
{
    private readonly Tensor _sinceLog = zeros([], device: device).DetachFromDisposeScope();
    private readonly Tensor _update = zeros([], device: device).DetachFromDisposeScope();
    private readonly Tensor _before = zeros([], device: device).DetachFromDisposeScope();
    private List<MicroBatchLosses> _passes = [];

    /// <summary>Where losses are summed.</summary>
    public Device Device { get; } = device;

    /// <summary>Adds a pass's shares of its update's loss.</summary>
    /// <param name="first">Number of its first micro-batch.</param>
    /// <param name="shares">One per micro-batch.</param>
    public void Add(long first, Tensor shares)
    {
        using var scope = NewDisposeScope(); // In-place operations return a new handle each.
        _passes.Add(new(first, shares.detach().DetachFromDisposeScope()));
        _update.add_(shares.detach().sum());
    }

    /// <summary>Keeps the update's sum as it is now, for <see cref="StartAgain"/>.</summary>
    public void Keep()
    {
        using var scope = NewDisposeScope();
        _before.copy_(_update);
    }

    /// <summary>Goes back to what <see cref="Keep"/> kept.</summary>
    public void StartAgain()
    {
        using var scope = NewDisposeScope();
        ClearUpdate();
        _update.copy_(_before);
    }

    /// <summary>The update was made: its loss counts.</summary>
    /// <param name="skip">1 where it was left out on the device; null where it was made.</param>
    public void CommitUpdate(Tensor? skip = null)
    {
        using var scope = NewDisposeScope();
        _sinceLog.add_(skip is null ? _update : where(skip.ne(0), zeros_like(_update), _update));
        ClearUpdate();
    }

    /// <summary>Forgets the current update's loss.</summary>
    public void ClearUpdate()
    {
        using var scope = NewDisposeScope();
        _update.zero_();
        TakePasses().ForEach(pass => pass.Dispose());
    }

    /// <summary>The shares of the current update's micro-batches since the process began. Whoever takes them disposes them.</summary>
    public List<MicroBatchLosses> TakePasses()
    {
        var taken = _passes;
        _passes = [];
        return taken;
    }

    /// <summary>The shares of the current update's micro-batches since the process began, read.</summary>
    public IEnumerable<(long MicroBatch, float Loss)> Shares => _passes.SelectMany(pass => pass.Read());

    /// <summary>Reads the sum since the last log and starts a new one.</summary>
    public float TakeSinceLog()
    {
        using var scope = NewDisposeScope();
        var sum = DeviceRead.Scalar(_sinceLog);
        _sinceLog.zero_();
        return sum;
    }

    /// <summary>Both sums, for a checkpoint.</summary>
    public (float SinceLog, float Update) Read() => (DeviceRead.Scalar(_sinceLog), DeviceRead.Scalar(_update));

    /// <summary>Goes on from a checkpoint's sums.</summary>
    public void Restore(float sinceLog, float update)
    {
        using var scope = NewDisposeScope();
        _sinceLog.fill_(sinceLog);
        _update.fill_(update);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        ClearUpdate();
        _sinceLog.Dispose();
        _update.Dispose();
        _before.Dispose();
    }
}

/// <summary>What the micro-batches of a pass add to their update's loss.</summary>
/// <param name="First">Number of the first.</param>
/// <param name="Shares">One per micro-batch, on the device, outside every dispose scope.</param>
internal sealed record MicroBatchLosses(long First, Tensor Shares) : IDisposable
{
    /// <summary>Reads them.</summary>
    public IEnumerable<(long MicroBatch, float Loss)> Read() => DeviceRead.Floats([Shares]).Select((loss, i) => (First + i, loss));

    /// <inheritdoc />
    public void Dispose() => Shares.Dispose();
}
