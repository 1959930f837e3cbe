using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>
/// A task that something happens to while it computes its n-th micro-batch: its run is cancelled, as by Ctrl-C at that moment, or dies of an exception, as by a
/// kill.
/// </summary>
internal sealed class StoppingTask(ITrainingTask inner, Action happen, int microBatches) : ForwardingTask(inner)
{
    private int _computed;

    public override Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> rows, long first, double? divisor)
    {
        if (_computed < microBatches && (_computed += rows.Count) >= microBatches)
        {
            happen();
        }

        return base.ComputeLosses(rows, first, divisor);
    }
}
