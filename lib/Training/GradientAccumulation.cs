using System.Runtime.InteropServices;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// Gradient accumulation: the forward and backward passes of an update's micro-batches, in as few as memory allows, each rank of a training its share of them.
/// </summary>
/// <param name="task">What is trained.</param>
/// <param name="settings">Valid settings.</param>
/// <param name="order">Which rows a micro-batch has.</param>
/// <param name="precision">What products compute in.</param>
/// <param name="optimiser">Knows the gradients.</param>
/// <param name="ledger">Takes the losses.</param>
/// <param name="scaler">The loss scale; null where there is none.</param>
/// <param name="observers">Who is told of passes that did not fit.</param>
/// <param name="stop">Whether to stop before the last micro-batch.</param>
/// <param name="ranks">Who trains the same task together; null for a process that is alone.</param>
internal sealed class GradientAccumulation(
    ITrainingTask task, TrainingSettings settings, MicroBatchOrder order, PrecisionPolicy precision, AdamWOptimiser optimiser, LossLedger ledger,
    LossScaler? scaler, Observers observers, AgreedStop stop, ICommunicator? ranks) : IDisposable
{
    private readonly PassPlanner _passes = new(task, settings, order, precision, observers);
    private readonly GradientExchange? _exchange = ranks is null ? null : new(ranks, task, optimiser.Slots);

    /// <summary>What said that not even one micro-batch fits into memory; null as long as one does.</summary>
    public Exception? MemoryFault { get; private set; }

    /// <summary>Bytes that this rank gave to be summed, and how long it waited for sums; null in a process that is alone.</summary>
    public (long Bytes, TimeSpan Waited)? Summed => _exchange is null ? null : (_exchange.Bytes, _exchange.Waited);

    /// <inheritdoc cref="PassPlanner.Foresee"/>
    public void Foresee((long Bytes, bool IsContainers) free) => _passes.Foresee(free);

    /// <summary>Gathers the gradients of an update, in as few passes as memory allows; where it was short, again in smaller ones.</summary>
    /// <param name="position">Where the training stands; moves on.</param>
    /// <param name="microBatches">All of the update, those that were done before a resume among them.</param>
    /// <returns>False when somebody asked for a stop before the last micro-batch.</returns>
    /// <exception cref="InvalidOperationException">Not even one micro-batch fits into memory (<see cref="MemoryFault"/>); the update has not begun.</exception>
    /// <exception cref="LostRankException">A rank is gone; the update has not begun.</exception>
    public bool Run(TrainerState position, List<long> microBatches)
    {
        using var scope = NewDisposeScope();
        using var held = task.HoldWeights();
        double? divisor = settings.LossAverage == LossAverage.LabelledPieces ? DivisorOf(microBatches) : null;
        var start = new UpdateStart(position.MicroBatches, position.Accumulated, position.TokensSinceLog, task.RandomStates, optimiser.CopyGradients());
        ledger.Keep();
        _exchange?.Begin(microBatches.Select(order.RowsOf));
        var own = TakeShare(position, microBatches);
        while (position.Accumulated < microBatches.Count)
        {
            var pass = _passes.Next(own, own.Count - (microBatches.Count - position.Accumulated));
            try
            {
                RunPass(position, pass, divisor, isLast: pass[^1] == own[^1]);
            }
            catch (Exception error) when (PassMemory.IsShort(error))
            {
                try
                {
                    _passes.Shrink(position.Update + 1, pass, error);
                }
                catch (InvalidOperationException end)
                {
                    StartAgain(position, start);
                    MemoryFault = end;
                    throw;
                }

                StartAgain(position, start);
                own = TakeShare(position, microBatches);
            }

            if (stop.Reason is not null && position.Accumulated < microBatches.Count)
            {
                return false;
            }
        }

        try
        {
            AddShares(microBatches, start.Accumulated);
        }
        catch (LostRankException)
        {
            StartAgain(position, start);
            throw;
        }

        return true;
    }

    /// <summary>Takes this rank's micro-batches of what is left of an update; those of the others count as done. Alone it takes all.</summary>
    private List<long> TakeShare(TrainerState position, List<long> microBatches)
    {
        var left = microBatches[position.Accumulated..];
        if (ranks is null)
        {
            return left;
        }

        var (first, count) = ranks.PartOf(left.Count);
        Advance(position, [.. left[..first], .. left[(first + count)..]]);
        task.SkipRandom(first);
        return left.GetRange(first, count);
    }

    /// <summary>Makes the gradients and losses of this rank's share those of the whole update.</summary>
    private void AddShares(List<long> microBatches, int done)
    {
        if (_exchange is null)
        {
            return;
        }

        var (first, count) = ranks!.PartOf(microBatches.Count - done);
        task.SkipRandom(microBatches.Count - done - first - count);
        var shares = new float[microBatches.Count - done];
        foreach (var (microBatch, loss) in ledger.Shares)
        {
            shares[microBatch - microBatches[done]] = loss;
        }

        if (_exchange.Finish(shares, wishesStop: stop.IsWished))
        {
            stop.Agree();
        }

        foreach (var (from, to) in new[] { (0, first), (first + count, shares.Length) }.Where(others => others.Item1 < others.Item2))
        {
            using var others = tensor(shares[from..to], device: ledger.Device);
            ledger.Add(microBatches[done] + from, others);
        }
    }

    /// <summary>Forward and backward of some micro-batches; their gradients add to those of the update.</summary>
    private void RunPass(TrainerState position, IReadOnlyList<long> microBatches, double? divisor, bool isLast)
    {
        using var scope = NewDisposeScope();
        ReadOnlyMemory<int>[] rows = [.. microBatches.Select(order.RowsOf)];
        Tensor losses;
        using (precision.Enter())
        {
            losses = task.ComputeLosses(rows, microBatches[0], divisor);
        }

        // The reference divides by the accumulation steps even where an epoch's end makes the update smaller.
        var shares = divisor is null ? losses / settings.AccumulationSteps : losses;
        var share = shares.sum();
        using (isLast && _exchange is not null ? task.WatchLayers(_exchange.LayerDone) : null)
        {
            BackwardPass.Run(scaler is null ? share : share * scaler.Scale);
        }

        ledger.Add(microBatches[0], shares);
        Advance(position, microBatches);
    }

    private void Advance(TrainerState position, IReadOnlyList<long> microBatches)
    {
        foreach (var row in microBatches.SelectMany(microBatch => MemoryMarshal.ToEnumerable(order.RowsOf(microBatch))))
        {
            position.TokensSinceLog += task.TokensOf(row);
        }

        position.MicroBatches += microBatches.Count;
        position.Accumulated += microBatches.Count;
    }

    /// <summary>Goes back to where the update stood when this process began with it: a pass that failed may have left some gradients.</summary>
    private void StartAgain(TrainerState position, UpdateStart start)
    {
        (position.MicroBatches, position.Accumulated, position.TokensSinceLog) = (start.MicroBatches, start.Accumulated, start.Tokens);
        task.RestoreRandomStates(start.RandomStates);
        optimiser.PutBack(start.Gradients);
        ledger.StartAgain();
    }

    /// <inheritdoc />
    public void Dispose() => _exchange?.Dispose();

    private double DivisorOf(IEnumerable<long> microBatches)
    {
        var weight = 0.0;
        foreach (var microBatch in microBatches)
        {
            foreach (var row in order.RowsOf(microBatch).Span)
            {
                weight += task.LossWeightOf(row);
            }
        }

        return weight > 0 ? weight : 1; // An update without a labelled piece has no gradient, not a NaN.
    }

    /// <summary>Where an update stood when this process began with it.</summary>
    /// <param name="MicroBatches">Micro-batches done since the start of the run.</param>
    /// <param name="Accumulated">Those of the update among them; some only after a resume in the middle of it.</param>
    /// <param name="Tokens">Pieces since the last log.</param>
    /// <param name="RandomStates">The task's generators.</param>
    /// <param name="Gradients">What the update had gathered.</param>
    private sealed record UpdateStart(
        long MicroBatches, int Accumulated, long Tokens, IReadOnlyDictionary<string, byte[]> RandomStates, IReadOnlyDictionary<string, Tensor> Gradients);
}
