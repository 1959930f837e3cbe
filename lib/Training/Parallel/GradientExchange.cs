using System.Diagnostics;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// Adds the gradients of an update's ranks up, in flat buffers, the last layers' first: a layer is under way while the backward pass is still at work on those
/// below it. Of the embedding table only the rows that the update's sentences look up are sent. The buffers are copies, through the host's memory whatever the
/// device: a pass that runs short of memory and is done again gives the same gradients, so what was sent by then stays good.
/// </summary>
internal sealed class GradientExchange : IDisposable
{
    // Smaller layers share a buffer: each has its latency.
    private const long LeastElements = 1 << 20;

    private readonly ICommunicator _ranks;
    private readonly ITrainingTask _task;
    private readonly List<Bucket> _buckets = [];
    private readonly AdamWOptimiser.Slot? _table;
    private Tensor? _rows;
    private int _next;

    /// <summary>Buffers for an optimiser's gradients.</summary>
    public GradientExchange(ICommunicator ranks, ITrainingTask task, IReadOnlyList<AdamWOptimiser.Slot> slots)
    {
        (_ranks, _task) = (ranks, task);
        _table = slots.FirstOrDefault(slot => ReferenceEquals(slot.Parameter, task.Table));
        var left = slots.Where(slot => slot != _table).ToList();
        List<AdamWOptimiser.Slot> gathered = [];
        for (var layer = task.Layers.Count - 1; layer >= 0; layer--)
        {
            var own = task.Layers[layer].ToHashSet<object>(ReferenceEqualityComparer.Instance);
            gathered.AddRange(left.Where(slot => own.Contains(slot.Parameter)));
            left.RemoveAll(slot => own.Contains(slot.Parameter));
            if (gathered.Count > 0 && (layer == 0 || gathered.Sum(slot => slot.Parameter.numel()) >= LeastElements))
            {
                _buckets.Add(new(layer, gathered));
                gathered = [];
            }
        }

        if (left.Count > 0)
        {
            _buckets.Add(new(-1, left));
        }
    }

    /// <summary>Bytes that a rank gave to be summed since the start.</summary>
    public long Bytes { get; private set; }

    /// <summary>Time that the training waited for sums since the start.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>Begins an update.</summary>
    /// <param name="microBatches">Rows of all its micro-batches, everybody's.</param>
    public void Begin(IEnumerable<ReadOnlyMemory<int>> microBatches)
    {
        _next = 0;
        _rows?.Dispose();
        _rows = _table is null ? null : tensor(_task.TableRowsOf(microBatches)).to(_table.Parameter.device).DetachFromDisposeScope();
    }

    /// <summary>The last pass of this rank's share leaves a layer, and those above it: their sums begin. Called in the backward pass.</summary>
    public void LayerDone(int layer)
    {
        while (_next < _buckets.Count && _buckets[_next].Layer >= layer)
        {
            Send(_buckets[_next++]);
        }
    }

    /// <summary>Ends an update: the gradients become the sums over all ranks.</summary>
    /// <param name="shares">The losses' shares of the update, one per micro-batch, 0 where another rank has it; becomes everybody's.</param>
    /// <param name="wishesStop">Whether somebody asked this rank to stop.</param>
    /// <returns>Whether anybody was asked to.</returns>
    /// <exception cref="LostRankException">A rank is gone; the gradients are partly summed.</exception>
    public bool Finish(float[] shares, bool wishesStop)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        LayerDone(int.MinValue);
        // Until their sums are known to be over nobody may free them, also where a rank is lost.
        var tableRows = _table is null ? null : ReadTable().DetachFromDisposeScope();
        var tableSum = tableRows is null ? null : Sum(tableRows);
        var last = tensor([.. shares, wishesStop ? 1f : 0]).DetachFromDisposeScope();
        var lastSum = Sum(last);
        foreach (var bucket in _buckets)
        {
            Wait(bucket.Sum!);
            bucket.GiveBack();
        }

        if (tableSum is not null)
        {
            Wait(tableSum);
            WriteTable(tableRows!);
            tableRows!.Dispose();
        }

        Wait(lastSum);
        var sums = last.data<float>().ToArray();
        last.Dispose();
        sums.AsSpan(0, shares.Length).CopyTo(shares);
        return sums[^1] > 0;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _rows?.Dispose();
        _buckets.ForEach(bucket => bucket.Dispose());
    }

    private void Send(Bucket bucket) => bucket.Sum = Sum(bucket.Take());

    private Task Sum(Tensor values)
    {
        Bytes += values.numel() * sizeof(float);
        return _ranks.Sum(values);
    }

    private void Wait(Task sum)
    {
        var clock = Stopwatch.StartNew();
        _ranks.Wait(sum);
        Waited += clock.Elapsed;
    }

    // [rows · C + 1]: the rows' gradients, and whether there are any.
    private Tensor ReadTable()
    {
        var places = PlacesInTable();
        var width = _table!.Parameter.shape[1];
        return _table.Gradient is { } gradient
            ? cat([gradient.detach().index_select(0, places).reshape(-1).to(ScalarType.Float32).cpu(), ones(1)])
            : zeros((places.shape[0] * width) + 1);
    }

    private void WriteTable(Tensor sums)
    {
        if (sums[-1].item<float>() == 0)
        {
            return;
        }

        if (_table!.Gradient is null)
        {
            _table.SetGradient(zeros(_table.FirstMoment.shape, _table.Parameter.dtype, _table.Parameter.device));
        }

        var values = sums.narrow(0, 0, sums.numel() - 1).view(-1, _table.Parameter.shape[1]);
        _table.Gradient!.index_copy_(0, PlacesInTable(), values.to(_table.Parameter.dtype).to(_table.Parameter.device));
    }

    private Tensor PlacesInTable() => _table!.Rows?.PlacesOf(_rows!) ?? _rows!;

    /// <summary>Parameters whose gradients travel together.</summary>
    private sealed class Bucket(int layer, List<AdamWOptimiser.Slot> slots) : IDisposable
    {
        // Behind the gradients, for each whether there is one: a parameter without any stays where it is.
        private Tensor? _flat;

        /// <summary>The lowest layer with a parameter in it; −1 where only the end of the backward pass completes it.</summary>
        public int Layer => layer;

        public Task? Sum { get; set; }

        public Tensor Take()
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            _flat ??= empty(slots.Sum(slot => slot.Parameter.numel()) + slots.Count).DetachFromDisposeScope();
            for (var i = 0; i < slots.Count; i++)
            {
                var gradient = slots[i].Gradient;
                _ = gradient is null ? PartOf(i).zero_() : PartOf(i).copy_(gradient);
                HasGradient(i).fill_(gradient is null ? 0 : 1);
            }

            return _flat;
        }

        public void GiveBack()
        {
            using var scope = NewDisposeScope();
            var counts = _flat!.narrow(0, _flat.numel() - slots.Count, slots.Count).data<float>().ToArray();
            for (var i = 0; i < slots.Count; i++)
            {
                if (counts[i] == 0)
                {
                    continue;
                }

                if (slots[i].Gradient is { } gradient)
                {
                    gradient.copy_(PartOf(i));
                }
                else
                {
                    slots[i].SetGradient(PartOf(i).to(slots[i].Parameter.dtype));
                }
            }
        }

        // What a lost rank never answered stays: the library may still write there.
        public void Dispose()
        {
            if (Sum is not { IsCompletedSuccessfully: false })
            {
                _flat?.Dispose();
            }
        }

        private Tensor PartOf(int slot) =>
            _flat!.narrow(0, slots.Take(slot).Sum(each => each.Parameter.numel()), slots[slot].Parameter.numel()).view(slots[slot].Parameter.shape);

        private Tensor HasGradient(int slot) => _flat!.narrow(0, _flat.numel() - slots.Count + slot, 1);
    }
}
