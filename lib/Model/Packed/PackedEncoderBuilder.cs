using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>Makes the packed encoder of a network, sharing its parameters, and says where it can stand in for the modules.</summary>
internal static class PackedEncoderBuilder
{
    /// <summary>Whether the kernels cover this network, these rows and this type of products. Everything else runs as modules.</summary>
    /// <param name="config">Widths must be multiples of the 16 lanes; GELU; no convolution.</param>
    /// <param name="device">The CPU or a CUDA device.</param>
    /// <param name="dtype">float32.</param>
    /// <param name="productType">float32 or bfloat16, on a device also float16.</param>
    public static bool Supports(DebertaConfig config, DeviceType device, ScalarType dtype, ScalarType productType) =>
        dtype == ScalarType.Float32
        && config.HiddenSize % 16 == 0 && config.IntermediateSize % 16 == 0 && config.HeadSize * config.NumAttentionHeads == config.HiddenSize
        && config.HiddenAct == "gelu" && config.ConvKernelSize == 0
        && (device == DeviceType.CPU
            ? productType is ScalarType.Float32 or ScalarType.BFloat16 && Platform.DispatcherOperators.HasOneDnnLinear
            : config.HiddenSize <= DeviceOperations.MostColumns && SupportsDevice(device));

    /// <summary>Whether there are kernels for a kind of device in this process.</summary>
    public static bool SupportsDevice(DeviceType device) => device == DeviceType.CPU || (device == DeviceType.CUDA && Kernels.Cuda.CudaProgram.Problem is null);

    /// <summary>The operations of a device.</summary>
    public static LayerOperations OperationsOn(Device device) => device.type == DeviceType.CPU
        ? CpuOperations.Instance : new DeviceOperations(Kernels.Cuda.CudaProgram.Instance, Kernels.Cuda.CudaProducts.Instance, device);

    /// <summary>Builds it.</summary>
    public static PackedEncoder Build(DebertaV2Encoder encoder, DebertaConfig config, LayerOperations operations)
    {
        var settings = new PackedLayerSettings(
            config.NumAttentionHeads, config.HeadSize, (float)config.LayerNormEps, 1 / MathF.Sqrt(config.HeadSize * config.ScaleFactor),
            config.AttentionProbsDropoutProb, config.HiddenDropoutProb,
            config.RelativeAttention && config.HasContentToPosition, config.RelativeAttention && config.HasPositionToContent);
        var gradients = new GradientBuffers(operations);
        return new(
            [.. encoder.Layers.Select((layer, index) => new PackedLayer(index, settings, Parameters(layer, gradients, operations), gradients, operations))],
            gradients, operations);
    }

    private static PackedLayerParameters Parameters(DebertaV2Layer layer, GradientBuffers gradients, LayerOperations operations)
    {
        var attention = layer.Attention.Self;
        // Shared keys are one projection, so that their copies are made once.
        var known = new Dictionary<Projection, PackedProjection>(ReferenceEqualityComparer.Instance);
        PackedProjection Pack(Projection projection) =>
            known.TryGetValue(projection, out var packed) ? packed
                : known[projection] = new(new(projection.Weight, projection.Scales), projection.Bias, gradients, operations, AdapterOf(projection));
        return new(
            Pack(attention.QueryProjection), Pack(attention.KeyProjection), Pack(attention.ValueProjection),
            Pack(attention.PositionQueryProjection), Pack(attention.PositionKeyProjection),
            Pack(layer.Attention.Output.Dense), NormOf(layer.Attention.Output), Pack(layer.Intermediate.Dense), Pack(layer.Output.Dense), NormOf(layer.Output));
    }

    private static PackedNorm NormOf(ResidualOutput output) => new(output.Norm.weight!, output.Norm.bias!);

    private static ILowRankAdapter? AdapterOf(Projection projection) => projection.Adapter switch
    {
        null => null,
        ILowRankAdapter adapter => adapter,
        var other => throw new NotSupportedException($"{other.GetType().Name} is no low-rank adapter; set UsesPackedKernels to false to run it as a module."),
    };
}
