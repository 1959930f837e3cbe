using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>Attention, its output projection, and the residual: transformers 4.35.2 DebertaV2Attention.</summary>
public sealed class DebertaV2Attention : Module
{
    // The checkpoint's names: attention.self and attention.output.
    private readonly DisentangledSelfAttention self;
    private readonly ResidualOutput output;

    /// <summary>Makes the attention block of one layer.</summary>
    public DebertaV2Attention(ModelBuild build)
        : base(nameof(DebertaV2Attention))
    {
        ArgumentNullException.ThrowIfNull(build);
        self = new DisentangledSelfAttention(build);
        output = new ResidualOutput(build, build.Config.HiddenSize);
        RegisterComponents();
    }

    /// <summary>The attention proper.</summary>
    public DisentangledSelfAttention Self => self;

    /// <summary>What follows it.</summary>
    public ResidualOutput Output => output;

    /// <inheritdoc cref="DisentangledSelfAttention.Run"/>
    internal Tensor Run(Tensor hidden_NC, PaddedLayout layout, RelativeEmbeddings? relative)
    {
        using var context_NC = self.Run(hidden_NC, layout, relative);
        return output.call(context_NC, hidden_NC);
    }
}

/// <summary>LayerNorm(residual + dropout(dense(x))): ends the attention and the feed-forward block (DebertaV2SelfOutput and DebertaV2Output).</summary>
public sealed class ResidualOutput : Module<Tensor, Tensor, Tensor>
{
    private readonly Projection dense;
    private readonly LayerNorm LayerNorm;
    private readonly Dropout dropout;

    /// <summary>Makes the output of a block.</summary>
    /// <param name="build">The network's settings.</param>
    /// <param name="inputWidth">Width of the block's inner state; the output has width C.</param>
    public ResidualOutput(ModelBuild build, int inputWidth)
        : base(nameof(ResidualOutput))
    {
        ArgumentNullException.ThrowIfNull(build);
        dense = new Projection(build, inputWidth, build.Config.HiddenSize);
        LayerNorm = build.NewLayerNorm(build.Config.HiddenSize);
        dropout = new Dropout(build.Config.HiddenDropoutProb, build.Dropout);
        RegisterComponents();
    }

    /// <summary>The projection back to width C.</summary>
    public Projection Dense => dense;

    /// <summary>The LayerNorm that ends the block.</summary>
    public LayerNorm Norm => LayerNorm;

    /// <summary>Ends a block.</summary>
    /// <param name="input1">The block's inner state, [N, inner width].</param>
    /// <param name="input2">The residual, [N, C].</param>
    /// <returns>[N, C].</returns>
    public override Tensor forward(Tensor input1, Tensor input2)
    {
        using var scope = NewDisposeScope();
        return LayerNorm.call(dropout.AddTo(input2, dense.call(input1))).MoveToOuterDisposeScope();
    }
}
