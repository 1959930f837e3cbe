using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>A table of vectors by id, left uninitialised: a checkpoint fills it.</summary>
public sealed class EmbeddingTable : Module<Tensor, Tensor>
{
    private readonly Parameter weight;

    /// <summary>Makes a table.</summary>
    public EmbeddingTable(ModelBuild build, long rows, long width)
        : base(nameof(EmbeddingTable))
    {
        ArgumentNullException.ThrowIfNull(build);
        weight = build.NewParameter(rows, width);
        RegisterComponents();
    }

    /// <summary>The vectors, [rows, width].</summary>
    public Parameter Weight => weight;

    /// <summary>During a training: the rows that its data can reach, which then take the gradient in place of the table; null trains every row.</summary>
    public TrainedRows? TrainedRows { get; set; }

    /// <summary>Looks up rows.</summary>
    /// <param name="input">Ids, [N] int64.</param>
    /// <returns>Vectors, [N, width].</returns>
    public override Tensor forward(Tensor input) => RowLookup.Run(weight, input, TrainedRows);
}
