using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>Looks at every update's gradient norm, which is not finite as soon as any loss or gradient is not, and keeps the rows that caused it.</summary>
internal sealed class HealthCheck(ITrainingTask task, TrainingSettings settings, MicroBatchOrder order, LossLedger ledger, Observers observers)
{
    /// <summary>Decides what becomes of an update whose norm is not finite.</summary>
    /// <param name="update">Its number, from 1.</param>
    /// <param name="norm">The norm that was found.</param>
    /// <param name="microBatches">The update's micro-batches.</param>
    /// <exception cref="NonFiniteLossException">The settings say stop.</exception>
    public void Report(int update, double norm, IReadOnlyList<long> microBatches)
    {
        var losses = ledger.MicroBatches.ToDictionary(pair => pair.MicroBatch, pair => pair.Loss);
        var culprits = microBatches.Where(microBatch => losses.TryGetValue(microBatch, out var loss) && !float.IsFinite(loss)).ToList();
        var file = Path.Combine(Path.GetFullPath(settings.OutputFolder), $"non-finite-update-{update}.json");
        Keep(file, update, norm, losses, culprits.Count > 0 ? culprits : microBatches);
        var found = culprits.Count > 0
            ? $"the loss of {culprits.Count} of its {microBatches.Count} micro-batches is {losses[culprits[0]]}"
            : Invariant($"its losses are finite, but the gradient norm is {norm}");
        if (settings.OnNonFinite == NonFiniteAction.SkipUpdate)
        {
            observers.Notice($"Update {update} is skipped: {found}. Its rows are in {file}.");
            return;
        }

        throw new NonFiniteLossException($"Update {update} is not finite: {found}. Its rows are in {file}. "
            + Invariant($"Look at them, lower the learning rate ({settings.LearningRate}), or set OnNonFinite to SkipUpdate to go on without such updates."), file);
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
}
