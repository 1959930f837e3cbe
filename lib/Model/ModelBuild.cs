using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>What every module needs to be made: the settings, where and in which dtype its parameters live, and the one source of dropout masks.</summary>
/// <param name="Config">The network's settings.</param>
/// <param name="Dtype">Dtype of the parameters: float32 or float64.</param>
/// <param name="Device">Where the parameters live; <c>meta</c> gives shapes without memory.</param>
/// <param name="Dropout">Dropout masks of the whole network come from here, so that a seed and a counter replay them.</param>
internal sealed record ModelBuild(DebertaConfig Config, ScalarType Dtype, Device Device, DropoutRandom Dropout)
{
    /// <summary>A build on the CPU.</summary>
    public ModelBuild(DebertaConfig config, ScalarType dtype = ScalarType.Float32)
        : this(config, dtype, CPU, new DropoutRandom(0))
    {
    }

    /// <summary>An uninitialised parameter: loading or <see cref="WeightInitializer"/> fills it, so nothing is computed twice.</summary>
    internal TorchSharp.Modules.Parameter NewParameter(params long[] shape) => new(empty(shape, Dtype, Device));

    /// <summary>A LayerNorm over the last dimension, with the configuration's epsilon.</summary>
    internal TorchSharp.Modules.LayerNorm NewLayerNorm(long width) => nn.LayerNorm(width, Config.LayerNormEps, device: Device, dtype: Dtype);
}
