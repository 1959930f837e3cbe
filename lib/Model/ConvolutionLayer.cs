using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>
/// The convolution beside the first layer that DeBERTa-v2-xlarge has and v3 lacks: LayerNorm(layer output + act(dropout(conv(embeddings)))).
/// transformers 4.35.2 modeling_deberta_v2.py, ConvLayer; DeBERTa's release notes call it nGiE.
/// </summary>
internal sealed class ConvolutionLayer : Module
{
    private readonly ChannelMixer conv;
    private readonly LayerNorm LayerNorm;
    private readonly Dropout dropout;
    private readonly Func<Tensor, Tensor> _activation;

    /// <summary>Makes it.</summary>
    public ConvolutionLayer(ModelBuild build)
        : base(nameof(ConvolutionLayer))
    {
        conv = new ChannelMixer(build);
        LayerNorm = build.NewLayerNorm(build.Config.HiddenSize);
        dropout = new Dropout(build.Config.HiddenDropoutProb, build.Dropout);
        _activation = Activation.ByName(build.Config.ConvAct, "conv_act");
        RegisterComponents();
    }

    /// <summary>Mixes neighbouring embeddings into the first layer's output.</summary>
    /// <param name="embeddings_NC">What went into the first layer.</param>
    /// <param name="residual_NC">What came out of it.</param>
    /// <param name="layout">Where the pieces lie: neighbours matter here, and padding counts as zero.</param>
    /// <returns>[N, C].</returns>
    internal Tensor Run(Tensor embeddings_NC, Tensor residual_NC, BatchLayout layout)
    {
        using var scope = NewDisposeScope();
        var mixed_BCL = conv.call(layout.ToPadded(embeddings_NC).transpose(1, 2));
        var mixed_NC = layout.FromGrid(mixed_BCL.transpose(1, 2).reshape(-1, residual_NC.shape[1]));
        return LayerNorm.call(residual_NC + _activation(dropout.call(mixed_NC))).MoveToOuterDisposeScope();
    }

    /// <summary>The convolution's own parameters, <c>encoder.conv.conv.weight</c> and <c>.bias</c>.</summary>
    private sealed class ChannelMixer : Module<Tensor, Tensor>
    {
        private readonly Parameter weight;
        private readonly Parameter bias;
        private readonly DebertaConfig _config;

        public ChannelMixer(ModelBuild build)
            : base(nameof(ChannelMixer))
        {
            _config = build.Config;
            weight = build.NewParameter(_config.HiddenSize, _config.HiddenSize / _config.ConvGroups, _config.ConvKernelSize);
            bias = build.NewParameter(_config.HiddenSize);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) =>
            functional.conv1d(input, weight, bias, padding: (_config.ConvKernelSize - 1) / 2, groups: _config.ConvGroups);
    }
}
