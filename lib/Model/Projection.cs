using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>
/// A linear layer, y = x Wᵀ + b. Unlike TorchSharp's it leaves its parameters uninitialised (a checkpoint fills them), and it can carry an
/// adapter whose output is added: that is where LoRA comes in, also for the relative positions that share the projection.
/// </summary>
public sealed class Projection : Module<Tensor, Tensor>
{
    private readonly Parameter weight;
    private readonly Parameter? bias;
    private Module<Tensor, Tensor>? _adapter;

    /// <summary>Makes a layer of the given widths.</summary>
    public Projection(ModelBuild build, long inputWidth, long outputWidth, bool hasBias = true)
        : base(nameof(Projection))
    {
        ArgumentNullException.ThrowIfNull(build);
        weight = build.NewParameter(outputWidth, inputWidth);
        bias = hasBias ? build.NewParameter(outputWidth) : null;
        RegisterComponents();
    }

    /// <summary>W, [output width, input width].</summary>
    public Parameter Weight => weight;

    /// <summary>b, [output width]; null when the layer has none.</summary>
    public Parameter? Bias => bias;

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
        var output = functional.linear(input, weight, bias);
        return _adapter is null ? output : output + _adapter.call(input);
    }
}
