using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>One encoder layer: attention, then feed-forward (transformers 4.35.2 DebertaV2Layer).</summary>
public sealed class DebertaV2Layer : Module
{
    private readonly DebertaV2Attention attention;
    private readonly Intermediate intermediate;
    private readonly ResidualOutput output;

    /// <summary>Makes a layer.</summary>
    public DebertaV2Layer(ModelBuild build)
        : base(nameof(DebertaV2Layer))
    {
        ArgumentNullException.ThrowIfNull(build);
        attention = new DebertaV2Attention(build);
        intermediate = new Intermediate(build);
        output = new ResidualOutput(build, build.Config.IntermediateSize);
        RegisterComponents();
    }

    /// <summary>The attention block.</summary>
    public DebertaV2Attention Attention => attention;

    /// <summary>The first half of the feed-forward block.</summary>
    public Intermediate Intermediate => intermediate;

    /// <summary>Its second half.</summary>
    public ResidualOutput Output => output;

    /// <summary>One layer.</summary>
    /// <param name="hidden_NC">The real pieces' hidden states.</param>
    /// <param name="layout">Where they lie in the batch.</param>
    /// <param name="relative">Relative embeddings; null without relative attention.</param>
    /// <returns>[N, C].</returns>
    internal Tensor Run(Tensor hidden_NC, PaddedLayout layout, RelativeEmbeddings? relative)
    {
        using var scope = NewDisposeScope();
        var attended_NC = attention.Run(hidden_NC, layout, relative);
        return output.call(intermediate.call(attended_NC), attended_NC).MoveToOuterDisposeScope();
    }
}

/// <summary>The widening half of the feed-forward block: act(dense(x)) (DebertaV2Intermediate).</summary>
public sealed class Intermediate : Module<Tensor, Tensor>
{
    private readonly Projection dense;
    private readonly Func<Tensor, Tensor> _activation;

    /// <summary>Makes it.</summary>
    public Intermediate(ModelBuild build)
        : base(nameof(Intermediate))
    {
        ArgumentNullException.ThrowIfNull(build);
        dense = new Projection(build, build.Config.HiddenSize, build.Config.IntermediateSize);
        _activation = Activation.ByName(build.Config.HiddenAct, "hidden_act");
        RegisterComponents();
    }

    /// <summary>The widening projection.</summary>
    public Projection Dense => dense;

    /// <summary>[N, C] → [N, intermediate size].</summary>
    public override Tensor forward(Tensor input)
    {
        using var inner = dense.call(input);
        return _activation(inner);
    }
}
