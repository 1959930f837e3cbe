using NotebookLib.Platform;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>
/// A linear layer, y = x Wᵀ + b. Unlike TorchSharp's it leaves its parameters uninitialised (a checkpoint fills them), and it can carry an
/// adapter whose output is added: that is where LoRA comes in, also for the relative positions that share the projection.
/// </summary>
internal sealed class Projection : Module<Tensor, Tensor>, IAdaptedLayer
{
    private readonly Parameter? bias;
    private readonly ScalarType _denseType;
    private Parameter weight;
    private Tensor? _scales;
    private Module<Tensor, Tensor>? _adapter;

    /// <summary>Makes a layer of the given widths.</summary>
    /// <param name="build">The network's settings.</param>
    /// <param name="inputWidth">Width of x.</param>
    /// <param name="outputWidth">Width of y.</param>
    /// <param name="hasBias">Whether there is a b.</param>
    /// <param name="adapterStream">Where an adapter on it draws its dropout; null outside the encoder's layers.</param>
    internal Projection(ModelBuild build, long inputWidth, long outputWidth, bool hasBias = true, LayerStream? adapterStream = null)
        : base(nameof(Projection))
    {
        weight = build.NewParameter(outputWidth, inputWidth);
        bias = hasBias ? build.NewParameter(outputWidth) : null;
        _denseType = build.Dtype;
        AdapterStream = adapterStream;
        RegisterComponents();
    }

    /// <summary>W, [output width, input width]; in fewer bits after <see cref="FrozenWeights.Store"/>.</summary>
    public Parameter Weight => weight;

    /// <summary>Scales of W's rows where it is stored as int8, [output width], float32.</summary>
    internal Tensor? Scales => _scales;

    /// <summary>How W is kept.</summary>
    public WeightStorage Storage => _scales is not null
        ? WeightStorage.Int8 : weight.dtype == ScalarType.BFloat16 && _denseType != ScalarType.BFloat16 ? WeightStorage.BFloat16 : WeightStorage.Dense;

    /// <summary>b, [output width]; null when the layer has none.</summary>
    public Parameter? Bias => bias;

    /// <summary>Where an adapter draws its dropout; null outside the encoder's layers.</summary>
    internal LayerStream? AdapterStream { get; }

    /// <summary>The attached adapter, or null.</summary>
    public Module<Tensor, Tensor>? Adapter => _adapter;

    /// <summary>Adds an adapter: the layer's output becomes y + adapter(x). Its parameters appear below this layer's under <paramref name="name"/>.</summary>
    /// <exception cref="InvalidOperationException">The layer already carries one.</exception>
    public void AttachAdapter(string name, Module<Tensor, Tensor> adapter)
    {
        if (_adapter is not null)
        {
            throw new InvalidOperationException("This projection already carries an adapter; detach it first.");
        }

        _adapter = adapter;
        register_module(name, adapter);
    }

    /// <summary>Takes the adapter off; the caller owns it then.</summary>
    public Module<Tensor, Tensor>? DetachAdapter()
    {
        var adapter = _adapter;
        foreach (var name in named_children().Where(child => ReferenceEquals(child.module, adapter)).Select(child => child.name).ToList())
        {
            _internal_submodules.Remove(name);
        }

        _adapter = null;
        return adapter;
    }

    /// <inheritdoc />
    public override Tensor forward(Tensor input)
    {
        using var restored = Storage == WeightStorage.Dense ? null
            : FrozenWeights.Restore(weight, _scales, Autocast.IsEnabled(input.device_type) ? Autocast.ProductType(input.device_type) : input.dtype);
        var output = functional.linear(input, restored ?? weight, bias);
        return _adapter is null ? output : output + _adapter.call(input);
    }

    ReplacedWeight IAdaptedLayer.ReplaceWeight(Func<Tensor, Tensor> change)
    {
        using var dense = DenseWeight();
        var before = Exchange(new(new Parameter(change(dense), requires_grad: false), null));
        return new(() => Exchange(before).Dispose(), before);
    }

    /// <summary>W in its own type, whatever it is stored as.</summary>
    /// <returns>A handle of its own.</returns>
    internal Tensor DenseWeight() => FrozenWeights.Restore(weight, _scales, _denseType);

    /// <summary>Stores the frozen W otherwise.</summary>
    /// <returns>Bytes saved; negative when it takes more than before.</returns>
    internal long Store(WeightStorage storage)
    {
        if (storage == Storage)
        {
            return 0;
        }

        using var scope = NewDisposeScope();
        var dense = DenseWeight();
        var (rows, scales) = storage switch
        {
            WeightStorage.Int8 => FrozenWeights.Quantise(dense.to(ScalarType.Float32)),
            WeightStorage.BFloat16 => (dense.to(ScalarType.BFloat16), (Tensor?)null),
            _ => (dense.alias(), null),
        };
        using var before = Exchange(new(new Parameter(rows, requires_grad: false), scales));
        return before.Bytes - new StoredWeight(weight, _scales).Bytes;
    }

    /// <summary>Puts another W in place.</summary>
    /// <param name="other">Owned by this layer from now on.</param>
    /// <returns>The one before; the caller owns it.</returns>
    internal StoredWeight Exchange(StoredWeight other)
    {
        var before = new StoredWeight(weight, _scales);
        (weight, _scales) = ((Parameter)other.Weight.DetachFromDisposeScope(), other.Scales?.DetachFromDisposeScope());
        _internal_params[nameof(weight)] = weight;
        return before;
    }
}

/// <summary>A weight as a layer keeps it.</summary>
/// <param name="Weight">[out, in].</param>
/// <param name="Scales">[out], for int8.</param>
internal sealed record StoredWeight(Parameter Weight, Tensor? Scales) : IDisposable
{
    public long Bytes => (Weight.numel() * Weight.element_size()) + (Scales is null ? 0 : Scales.numel() * Scales.element_size());

    public void Dispose()
    {
        Weight.Dispose();
        Scales?.Dispose();
    }
}
