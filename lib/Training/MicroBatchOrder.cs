using NotebookLib.Batching;

namespace NotebookLib.Training;

/// <summary>
/// Which rows every micro-batch of a run reads. Any micro-batch can be asked for directly, since an epoch's order depends on the seed and its number alone:
/// resuming at a position replays nothing.
/// </summary>
internal sealed class MicroBatchOrder(TrainingPlan plan, long seed)
{
    // An update reaches over at most two epochs, or over many when an epoch is shorter than the accumulation; those are tiny.
    private readonly Dictionary<long, int[]> _orders = [];

    /// <summary>The rows of a micro-batch, in reading order.</summary>
    /// <param name="microBatch">Its number since the start of the run, from 0.</param>
    public ReadOnlyMemory<int> RowsOf(long microBatch)
    {
        var epoch = microBatch / plan.MicroBatchesPerEpoch;
        var start = checked((int)(microBatch % plan.MicroBatchesPerEpoch)) * plan.BatchSize;
        return OrderOf(epoch).AsMemory(start, Math.Min(plan.BatchSize, plan.Rows - start));
    }

    /// <summary>The micro-batches whose gradients make one update.</summary>
    /// <param name="first">Number of the first of them.</param>
    public IEnumerable<long> MicroBatchesOfUpdate(long first)
    {
        for (var microBatch = first; ; microBatch++)
        {
            yield return microBatch;
            if (plan.IsUpdateDue(microBatch + 1))
            {
                yield break;
            }
        }
    }

    private int[] OrderOf(long epoch)
    {
        if (!_orders.TryGetValue(epoch, out var order))
        {
            foreach (var old in _orders.Keys.Where(known => known < epoch - plan.AccumulationSteps).ToList())
            {
                _orders.Remove(old);
            }

            _orders[epoch] = order = BatchOrder.Reference(plan.Rows, seed, checked((int)epoch)).Rows;
        }

        return order;
    }
}
