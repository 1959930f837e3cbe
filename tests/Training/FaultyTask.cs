using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>A task to whose passes something happens, and which counts them.</summary>
/// <param name="inner">The task itself.</param>
/// <param name="happen">Gets the number of a pass's first micro-batch, how many it has, and their losses; gives the losses that the loop sees, or
/// throws.</param>
internal sealed class FaultyTask(ITrainingTask inner, Func<long, int, Tensor, Tensor>? happen = null) : ForwardingTask(inner)
{
    /// <summary>Micro-batches of every pass that was begun.</summary>
    public List<int> Passes { get; } = [];

    public override Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor)
    {
        Passes.Add(microBatches.Count);
        var losses = base.ComputeLosses(microBatches, first, divisor);
        return happen is null ? losses : happen(first, microBatches.Count, losses);
    }
}
