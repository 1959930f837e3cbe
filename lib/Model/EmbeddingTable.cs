using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>A table of vectors by id, left uninitialised: a checkpoint fills it.</summary>
internal sealed class EmbeddingTable : Module<Tensor, Tensor>, IAdaptedLayer
{
    private readonly Parameter weight;
    private Module<Tensor, Tensor>? _adapter;

    /// <summary>Makes a table.</summary>
    public EmbeddingTable(ModelBuild build, long rows, long width)
        : base(nameof(EmbeddingTable))
    {
        weight = build.NewParameter(rows, width);
        RegisterComponents();
    }

    /// <summary>The vectors, [rows, width].</summary>
    public Parameter Weight => weight;

    /// <summary>During a training: the rows that its data can reach, which then take the gradient in place of the table; null trains every row.</summary>
    public TrainedRows? TrainedRows { get; set; }

    /// <summary>The attached adapter, or null.</summary>
    public Module<Tensor, Tensor>? Adapter => _adapter;

    void IAdaptedLayer.AttachAdapter(string name, Module<Tensor, Tensor> adapter)
    {
        _adapter = _adapter is null ? adapter : throw new InvalidOperationException("This table already carries an adapter; detach it first.");
        register_module(name, adapter);
    }

    Module<Tensor, Tensor>? IAdaptedLayer.DetachAdapter()
    {
        var adapter = _adapter;
        foreach (var name in named_children().Where(child => ReferenceEquals(child.module, adapter)).Select(child => child.name).ToList())
        {
            _internal_submodules.Remove(name);
        }

        _adapter = null;
        return adapter;
    }

    ReplacedWeight IAdaptedLayer.ReplaceWeight(Func<Tensor, Tensor> change)
    {
        using var merged = change(weight);
        return ReplacedWeight.InPlace(weight, merged);
    }

    /// <summary>Looks up rows.</summary>
    /// <param name="input">Ids, [N] int64.</param>
    /// <returns>Vectors, [N, width].</returns>
    public override Tensor forward(Tensor input)
    {
        var rows = RowLookup.Run(weight, input, TrainedRows);
        return _adapter is null ? rows : rows + _adapter.call(input);
    }
}
