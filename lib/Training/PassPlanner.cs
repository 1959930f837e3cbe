using NotebookLib.Model;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>
/// How many micro-batches of an update go through the network in one pass: as many as <see cref="TrainingSettings.PiecesPerPass"/> or the device's memory
/// allow, one at least. What comes out is the same however they are split, up to the order of float additions.
/// </summary>
internal sealed class PassPlanner(ITrainingTask task, TrainingSettings settings, MicroBatchOrder order, PrecisionPolicy precision, Observers observers)
{
    // Asked once, before the first pass: later, memory that libtorch keeps for the next pass counts as taken.
    private readonly Lazy<int> _fitting = new(() => task.PiecesThatFit(precision.ProductType) ?? 0);
    private int _most = int.MaxValue;
    private bool _hasTold;

    /// <summary>The micro-batches that make the next pass.</summary>
    /// <param name="update">All micro-batches of the update.</param>
    /// <param name="done">How many of them are done.</param>
    public IReadOnlyList<long> Next(IReadOnlyList<long> update, int done)
    {
        using var open = precision.Enter();
        if (!task.TakesGroups)
        {
            return [update[done]];
        }

        int[] pieces = [.. update.Select(PiecesOf)];
        return [.. update.Skip(done).Take(PassMemory.Count(pieces, done, Math.Min(_most, settings.PiecesPerPass ?? _fitting.Value)))];
    }

    /// <summary>Says it when the training is not likely to fit into the memory that is free, before anything is lost to it.</summary>
    /// <param name="free">Bytes, and whether a container's limit sets them.</param>
    public void Foresee((long Bytes, bool IsContainers) free)
    {
        if (task.BytesToCome(precision.ProductType) is not { } need || need.Weights + need.Activations <= free.Bytes)
        {
            return;
        }

        var advice = need.Activations > need.Weights
            ? $"Most of it is activations: lower BatchSize ({settings.BatchSize}) and raise AccumulationSteps ({settings.AccumulationSteps}) by the same "
                + "factor, which leaves the update as it is, or have the model recompute activations (RecomputesActivations)."
            : "Most of it is gradients and the optimiser's moments: train adapters (LoRA) or a smaller model.";
        observers.Notice($"This training is reckoned to take up to {NumberText.Gigabytes(need.Weights + need.Activations)} more than the process has now; "
            + $"{NumberText.Gigabytes(free.Bytes)} are free{(free.IsContainers ? " in this container" : "")}. It may be slow, or be killed. {advice}");
    }

    /// <summary>Takes note that a pass did not fit into the device's memory.</summary>
    /// <exception cref="InvalidOperationException">It was one micro-batch: no pass can be smaller.</exception>
    public void Shrink(int update, IReadOnlyList<long> pass, Exception error)
    {
        var pieces = pass.Sum(PiecesOf);
        _most = PassMemory.Halve(pieces, pass.Count, error,
            $"One micro-batch is the least that goes through at once: lower BatchSize ({settings.BatchSize}) and raise AccumulationSteps "
            + $"({settings.AccumulationSteps}) by the same factor, which leaves the update as it is; or have the model recompute activations "
                + "(RecomputesActivations).");
        if (!_hasTold)
        {
            _hasTold = true;
            observers.Notice($"Update {update}: the device's memory does not hold {pieces} pieces at once. It starts again in smaller passes, "
                + $"from here on of at most {_most} pieces "
                + "(halved again as often as needed, without another word). PiecesPerPass sets the size from the start.");
        }
    }

    private int PiecesOf(long microBatch)
    {
        var pieces = 0;
        foreach (var row in order.RowsOf(microBatch).Span)
        {
            pieces += task.TokensOf(row);
        }

        return pieces;
    }
}
