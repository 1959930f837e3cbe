using NotebookLib.Kernels;
using NotebookLib.Model.Fused;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Model;

// V rows of the table, R of them trained, C columns, N looked up

/// <summary>
/// The rows of an embedding table that a training set can reach. Only they get a gradient and moments, [R, C] instead of [V, C]; the others would only decay,
/// and their decay waits until somebody looks (<see cref="CatchUp"/>): the same numbers to the bit, and 1.2 GB less for deberta-v3-base.
/// </summary>
internal sealed class TrainedRows : IDisposable
{
    private readonly int[] _others;
    private readonly List<float> _waiting = [];
    private readonly Tensor _slots;
    private readonly Tensor _sums;
    private bool _hasGradient;

    /// <summary>Names the rows.</summary>
    /// <param name="table">[V, C], float32, on the CPU.</param>
    /// <param name="rows">Row numbers, in any order, also repeated.</param>
    public TrainedRows(Parameter table, IEnumerable<int> rows)
    {
        Table = table;
        var numbers = rows.Distinct().Order().ToArray();
        var isTrained = new bool[table.shape[0]];
        var slots = new long[table.shape[0]];
        Array.Fill(slots, -1);
        for (var slot = 0; slot < numbers.Length; slot++)
        {
            isTrained[numbers[slot]] = true;
            slots[numbers[slot]] = slot;
        }

        _others = [.. Enumerable.Range(0, isTrained.Length).Where(row => !isTrained[row])];
        Rows = tensor(Array.ConvertAll(numbers, row => (long)row), ScalarType.Int64).DetachFromDisposeScope();
        _slots = tensor(slots, ScalarType.Int64).DetachFromDisposeScope();
        _sums = zeros(numbers.Length, table.shape[1]).DetachFromDisposeScope();
    }

    /// <summary>The table.</summary>
    public Parameter Table { get; }

    /// <summary>Numbers of the trained rows, ascending, [R] int64.</summary>
    public Tensor Rows { get; }

    /// <summary>The gradient so far, [R, C]; null when there is none since <see cref="ClearGradient"/>.</summary>
    public Tensor? Gradient => _hasGradient ? _sums : null;

    /// <summary>Adds the gradient of looked-up rows.</summary>
    /// <param name="rows_N">Row numbers, int64.</param>
    /// <param name="gradient_NC">∂L/∂(row), float32.</param>
    /// <exception cref="InvalidOperationException">A row is not one of those that were named.</exception>
    public void AddGradient(Tensor rows_N, Tensor gradient_NC)
    {
        using var scope = NewDisposeScope();
        var slots_N = _slots.index_select(0, rows_N);
        if (slots_N.min().item<long>() < 0)
        {
            throw new InvalidOperationException($"A batch looks up row {rows_N[slots_N.lt(0)][0].item<long>()} of the embedding table, "
                + $"which is not among the {Rows.shape[0]} rows named for this training.");
        }

        // The factor is held here: made by the call itself, it may be finalised before native code reads it.
        using var one = 1.ToScalar();
        SumGradient().index_add_(0, slots_N, gradient_NC, one);
        GC.KeepAlive(one);
    }

    /// <summary>Where rows of the table lie in <see cref="Gradient"/>.</summary>
    /// <param name="rows">Row numbers, int64, all among <see cref="Rows"/>.</param>
    public Tensor PlacesOf(Tensor rows) => _slots.index_select(0, rows);

    /// <summary>Sets the gradient: a checkpoint's, in the middle of an accumulation.</summary>
    public void SetGradient(Tensor gradient_RC) => SumGradient().copy_(gradient_RC);

    /// <summary>Forgets the gradient.</summary>
    public void ClearGradient() => _hasGradient = false;

    /// <summary>The trained rows as they are, [R, C]; a copy.</summary>
    public Tensor Read() => Table.detach().index_select(0, Rows);

    /// <summary>Writes the trained rows back after an update, and notes the update's decay for the others.</summary>
    /// <param name="rows_RC">Their new values.</param>
    /// <param name="decayFactor">What the update multiplies every weight by.</param>
    public void Write(Tensor rows_RC, float decayFactor)
    {
        using var quiet = no_grad();
        Table.index_copy_(0, Rows, rows_RC);
        if (decayFactor != 1)
        {
            _waiting.Add(decayFactor);
        }
    }

    /// <summary>Decays the other rows by what waits: to be called before anybody reads them.</summary>
    public void CatchUp()
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        var factors = _waiting.ToArray();
        _waiting.Clear();
        var width = Table.shape[1];
        ThreadTeam.RunRanges(_others.Length, 64, (_, start, end) => Decay(factors, width, start, end));
    }

    /// <inheritdoc />
    public void Dispose()
    {
        CatchUp();
        Rows.Dispose();
        _slots.Dispose();
        _sums.Dispose();
    }

    private Tensor SumGradient()
    {
        if (!_hasGradient)
        {
            _sums.zero_();
            _hasGradient = true;
        }

        return _sums;
    }

    private unsafe void Decay(float[] factors, long width, int start, int end)
    {
        var values = CpuMemory.Floats(Table);
        for (var i = start; i < end; i++)
        {
            DecayKernel.Multiply(values + (_others[i] * width), width, factors);
        }
    }
}
