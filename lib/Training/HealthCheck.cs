using System.Text.Json;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// Looks at every update's gradient norm, which is not finite as soon as any loss or gradient is not, and keeps the rows that caused it. On a device nobody
/// waits for the norms: an update whose norm is not finite is left out there, and found when the norms are read, many together.
/// </summary>
internal sealed class HealthCheck(ITrainingTask task, TrainingSettings settings, MicroBatchOrder order, Observers observers, bool writes = true)
    : IDisposable
{
    private readonly List<UnreadUpdate> _unread = [];
    private Tensor? _hasFailed;

    /// <summary>Updates whose norms nobody has read yet.</summary>
    public int UnreadCount => _unread.Count;

    /// <summary>Takes note of an update without reading its norm.</summary>
    /// <param name="update">Its number, from 1.</param>
    /// <param name="norm">Scalar; copied.</param>
    /// <param name="microBatches">The update's micro-batches.</param>
    /// <param name="losses">Their losses; taken over.</param>
    /// <returns>1 when the update must be left out, else 0; a scalar on the device, in the caller's dispose scope. After a failure that ends the run, so must
    /// all that follow.</returns>
    public Tensor Note(int update, Tensor norm, IReadOnlyList<long> microBatches, IReadOnlyList<MicroBatchLosses> losses)
    {
        using var scope = NewDisposeScope();
        _unread.Add(new(update, norm.detach().clone().DetachFromDisposeScope(), microBatches, losses));
        var skip = norm.detach().isfinite().logical_not().to(float32);
        if (settings.OnNonFinite == NonFiniteAction.Stop)
        {
            _hasFailed ??= zeros_like(skip).DetachFromDisposeScope();
            skip = maximum(skip, _hasFailed);
            _hasFailed.copy_(skip);
        }

        return skip.MoveToOuterDisposeScope();
    }

    /// <summary>Reads the norms of all updates since the last time, and reports those that are not finite.</summary>
    /// <returns>How many updates were made and how many left out, and the last one's norm; null when there was none.</returns>
    /// <exception cref="NonFiniteLossException">The settings say stop.</exception>
    public (int Made, int Skipped, float LastNorm)? Settle()
    {
        if (_unread.Count == 0)
        {
            return null;
        }

        var norms = DeviceRead.Floats([.. _unread.Select(unread => unread.Norm)]);
        var skipped = 0;
        for (var i = 0; i < norms.Length; i++)
        {
            if (!float.IsFinite(norms[i]))
            {
                skipped++;
                Report(_unread[i].Update, norms[i], _unread[i].MicroBatches, _unread[i].Losses);
            }
        }

        Forget();
        return (norms.Length - skipped, skipped, norms[^1]);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        Forget();
        _hasFailed?.Dispose();
    }

    /// <summary>Decides what becomes of an update whose norm is not finite.</summary>
    /// <param name="update">Its number, from 1.</param>
    /// <param name="norm">The norm that was found.</param>
    /// <param name="microBatches">The update's micro-batches.</param>
    /// <param name="shares">Their losses, as far as this process knows them.</param>
    /// <exception cref="NonFiniteLossException">The settings say stop.</exception>
    public void Report(int update, double norm, IReadOnlyList<long> microBatches, IReadOnlyList<MicroBatchLosses> shares)
    {
        var losses = shares.SelectMany(pass => pass.Read()).ToDictionary(pair => pair.MicroBatch, pair => pair.Loss);
        var culprits = microBatches.Where(microBatch => losses.TryGetValue(microBatch, out var loss) && !float.IsFinite(loss)).ToList();
        var file = Path.Combine(Path.GetFullPath(settings.OutputFolder), $"non-finite-update-{update}.json");
        if (writes)
        {
            Keep(file, update, norm, losses, culprits.Count > 0 ? culprits : microBatches);
        }

        var found = culprits.Count > 0
            ? $"the loss of {culprits.Count} of its {microBatches.Count} micro-batches is {losses[culprits[0]]}"
            : Invariant($"its losses are finite, but the gradient norm is {norm}");
        if (settings.OnNonFinite == NonFiniteAction.SkipUpdate)
        {
            observers.Notice($"Update {update} is skipped: {found}. Its rows are in {file}.");
            return;
        }

        throw new NonFiniteLossException($"Update {update} is not finite: {found}. Its rows are in {file}. "
            + Invariant($"Look at them, lower the learning rate ({settings.LearningRate}), or set OnNonFinite to SkipUpdate to go on without such updates."),
            file);
    }

    private void Forget()
    {
        foreach (var unread in _unread)
        {
            unread.Norm.Dispose();
            foreach (var losses in unread.Losses)
            {
                losses.Dispose();
            }
        }

        _unread.Clear();
    }

    private void Keep(string file, int update, double norm, Dictionary<long, float> losses, IReadOnlyList<long> microBatches)
    {
        var content = new
        {
            update,
            gradientNorm = norm,
            microBatches = microBatches.Select(microBatch => new
            {
                microBatch,
                lossShare = losses.TryGetValue(microBatch, out var loss) ? loss : (float?)null,
                rows = order.RowsOf(microBatch).ToArray().Select(row => new { row, content = task.Describe(row) }),
            }),
        };
        AtomicFile.WriteText(file, JsonSerializer.Serialize(content, StateJson.Options));
    }

    private sealed record UnreadUpdate(int Update, Tensor Norm, IReadOnlyList<long> MicroBatches, IReadOnlyList<MicroBatchLosses> Losses);
}
