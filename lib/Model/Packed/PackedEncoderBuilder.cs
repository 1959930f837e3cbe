using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>Makes the packed encoder of a network, sharing its parameters, and says where it can stand in for the modules.</summary>
internal static class PackedEncoderBuilder
{
    /// <summary>Whether the kernels cover this network, these rows and this type of products. Everything else runs as modules.</summary>
    /// <param name="config">Widths must be multiples of the 16 lanes; GELU; no convolution.</param>
    /// <param name="embedded">float32 on the CPU.</param>
    /// <param name="productType">float32 or bfloat16.</param>
    public static bool Supports(DebertaConfig config, Tensor embedded, ScalarType productType) =>
        embedded.device_type == DeviceType.CPU && embedded.dtype == ScalarType.Float32
        && productType is ScalarType.Float32 or ScalarType.BFloat16
        && config.HiddenSize % 16 == 0 && config.IntermediateSize % 16 == 0 && config.HeadSize * config.NumAttentionHeads == config.HiddenSize
        && config.HiddenAct == "gelu" && config.ConvKernelSize == 0
        && Platform.DispatcherOperators.HasOneDnnLinear;

    /// <summary>Builds it.</summary>
    public static PackedEncoder Build(DebertaV2Encoder encoder, DebertaConfig config)
    {
        var settings = new PackedLayerSettings(
            config.NumAttentionHeads, config.HeadSize, (float)config.LayerNormEps, 1 / MathF.Sqrt(config.HeadSize * config.ScaleFactor), config.AttentionProbsDropoutProb, config.HiddenDropoutProb,
            config.RelativeAttention && config.HasContentToPosition, config.RelativeAttention && config.HasPositionToContent);
        var gradients = new GradientBuffers();
        return new([.. encoder.Layers.Select((layer, index) => new PackedLayer(index, settings, Parameters(layer, gradients), gradients))], gradients);
    }

    private static PackedLayerParameters Parameters(DebertaV2Layer layer, GradientBuffers gradients)
    {
        var attention = layer.Attention.Self;
        // Shared keys are one projection, so that their copies are made once.
        var known = new Dictionary<Projection, PackedProjection>(ReferenceEqualityComparer.Instance);
        PackedProjection Pack(Projection projection) =>
            known.TryGetValue(projection, out var packed) ? packed : known[projection] = new(new(projection.Weight, projection.Scales), projection.Bias, gradients, AdapterOf(projection, gradients));
        return new(
            Pack(attention.QueryProjection), Pack(attention.KeyProjection), Pack(attention.ValueProjection),
            Pack(attention.PositionQueryProjection), Pack(attention.PositionKeyProjection),
            Pack(layer.Attention.Output.Dense), NormOf(layer.Attention.Output), Pack(layer.Intermediate.Dense), Pack(layer.Output.Dense), NormOf(layer.Output));
    }

    private static PackedNorm NormOf(ResidualOutput output) => new(output.Norm.weight!, output.Norm.bias!);

    private static PackedAdapter? AdapterOf(Projection projection, GradientBuffers gradients) => projection.Adapter switch
    {
        null => null,
        ILowRankAdapter adapter => new(adapter, gradients),
        var other => throw new NotSupportedException($"{other.GetType().Name} is no low-rank adapter; set UsesPackedKernels to false to run it as a module."),
    };
}
