using System.Collections.Concurrent;
using NotebookLib.Model.Fused;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>One way of computing the encoder's layers.</summary>
internal interface IEncoderEngine
{
    /// <summary>Runs the layers.</summary>
    /// <param name="embedded_NC">The embedded real pieces.</param>
    /// <param name="layout">Where they lie in the batch.</param>
    /// <param name="firstStream">Number of the first layer's first dropout stream; <see cref="LayerStreams.Count"/> follow for each layer.</param>
    /// <returns>The last layer's output, [N, C].</returns>
    Tensor Run(Tensor embedded_NC, BatchLayout layout, ulong firstStream);
}

/// <summary>
/// How the encoder's layers are computed, and what that may cost in memory: by fused kernels with their gradient written out, or as modules under autograd.
/// Both draw the same dropout: switching from one to the other changes rounding and speed only.
/// </summary>
public sealed class EncoderEngine
{
    private readonly DebertaV2Encoder _encoder;
    private readonly DebertaConfig _config;
    private readonly DropoutRandom _random;
    private readonly ConcurrentDictionary<(int Length, string Device), RelativePositions> _positionsByLength = [];
    private readonly Projection[] _projections;
    private FusedEngine? _fused;

    internal EncoderEngine(DebertaV2Encoder encoder, DebertaConfig config, DropoutRandom random)
    {
        (_encoder, _config, _random) = (encoder, config, random);
        _projections = [.. encoder.Layers.SelectMany(layer => layer.modules().OfType<Projection>()).Distinct()];
    }

    /// <summary>
    /// Whether the layers run on kernels wherever those can (GELU, widths that are multiples of 16, no convolution, plain low-rank adapters); off, they run as
    /// modules. Several times the speed on a CPU.
    /// </summary>
    public bool UsesKernels { get; set; } = true;

    /// <summary>
    /// Recompute activations in the backward pass instead of keeping them, on the kernels and by modules alike: less memory for more time
    /// (docs/TRAINING.md has both, measured).
    /// </summary>
    public bool RecomputesActivations { get; set; }

    /// <summary>
    /// How many bytes of activations the kernels keep for the backward pass. On a CPU as many micro-batches of an update go through at once as it holds, one at
    /// least. With <see cref="RecomputesActivations"/> it is a limit, on any device: as many of the last layers as fit into it are not recomputed. A batch of
    /// usual sentences fits whole and costs no time, a batch of long ones takes no more than this. 0 recomputes every layer, as modules always do.
    /// docs/TRAINING.md has memory and speed, measured.
    /// </summary>
    public long ActivationBudget { get; set; } = 384L << 20;

    /// <summary>Told by the kernels' backward pass which layer's parameters have got all of the pass's gradients; modules tell nothing.</summary>
    internal Action<int>? LayerDone { get; set; }

    /// <summary>How the kernels compute, where it is not left to their device: set before the first pass.</summary>
    internal LayerOperations? Operations { get; set; }

    /// <summary>
    /// Promises that no weight changes until the result is disposed, so that copies in a narrower type are made once: around the micro-batches of one update,
    /// or an evaluation.
    /// </summary>
    public IDisposable KeepWeightCopies() => Fused()?.KeepCopies() ?? new Ending(null);

    /// <summary>
    /// Promises the same of the weights that are not trained, for longer: around a training. Their copies, and the memory of all gradients, would otherwise be
    /// made anew for each update, between other tensors, and break the heap up. A gradient that is read there must be copied to outlast the update.
    /// </summary>
    public IDisposable KeepTrainingMemory() => Fused()?.KeepForTraining() ?? new Ending(null);

    /// <summary>Whether rows of a type run on the kernels, which alone can take several micro-batches in one pass.</summary>
    internal bool TakesGroups(ScalarType dtype, ScalarType productType) => FusedFor(dtype, productType) is not null;

    /// <summary>Dropout streams that one pass through the layers takes: the same number always, whether all are used or not.</summary>
    internal int StreamsPerPass => _encoder.training ? _config.NumHiddenLayers * LayerStreams.Count : 0;

    /// <summary>Runs the layers.</summary>
    /// <param name="embedded_NC">The embedded real pieces.</param>
    /// <param name="layout">Where they lie in the batch.</param>
    /// <param name="observe">Sees each layer's output, [N, C], and so has the layers run as modules; what it wants to keep it must copy or detach.</param>
    /// <returns>The last layer's output, [N, C].</returns>
    internal Tensor Run(Tensor embedded_NC, BatchLayout layout, Action<Tensor>? observe = null)
    {
        var firstStream = (ulong)_random.Counter;
        _random.Counter += StreamsPerPass;
        var fused = observe is null && layout.Groups is not null
            ? FusedFor(embedded_NC.dtype, Autocast.ProductType(embedded_NC.device.type)) : null;
        if (fused is null && Int8Products.AreOn)
        {
            throw new NotSupportedException(ProblemOfInt8(isObserved: observe is not null));
        }

        IEncoderEngine engine = fused is not null ? fused : new ModulesEngine(_encoder, this, _random, observe);
        return engine.Run(embedded_NC, layout, firstStream);
    }

    /// <summary>The relative positions of sentences up to a length.</summary>
    // Kept without relative attention too: the kernels' way back reads them after the forward's scope has ended.
    internal RelativePositions PositionsFor(int length, Device device) =>
        _positionsByLength.GetOrAdd((length, device.ToString()), key => new RelativePositions(_config, key.Length, device));

    /// <summary>The fused layers where they cover rows of a type; null where the layers run as modules.</summary>
    private FusedEngine? FusedFor(ScalarType dtype, ScalarType productType) =>
        UsesKernels && FusedEngine.Supports(_config, _projections[0].Weight.device_type, dtype, productType) ? Fused() : null;

    private string ProblemOfInt8(bool isObserved) => "Products in int8 run on the kernels alone, and those do not compute this: "
        + (isObserved ? "hidden states are asked for"
            : !UsesKernels ? "they are switched off (UsesKernels)"
            : _projections[0].Weight.device_type != TorchSharp.DeviceType.CPU ? $"the network is on {_projections[0].Weight.device}, they run on the CPU"
            : Array.Find(_projections, each => each.Adapter is not (null or ILowRankAdapter { IsPlain: true })) is { Adapter: { } adapter }
                ? $"an adapter is a {adapter.GetType().Name} that is more than a plain low-rank one; merge it into the weights first"
            : _projections[0].Weight.dtype is var dtype && dtype is ScalarType.Float64 or ScalarType.Float16 ? $"the weights are {dtype}, expected float32"
            : $"expected GELU, no convolution, a hidden size and an intermediate size that are multiples of 16; found {_config.HiddenAct}, "
                + $"convolution {_config.ConvKernelSize}, {_config.HiddenSize} and {_config.IntermediateSize}")
        + ". Choose the precision bfloat16 or float32.";

    // Adapters come and go, and moving a network replaces its parameters: then the fused layers are made anew.
    private FusedEngine? Fused()
    {
        if (_fused is not { IsCurrent: true })
        {
            _fused = FusedEngine.CanRun(_projections) ? new FusedEngine(_encoder, _projections, this, _config, _random) : null;
        }

        return _fused;
    }
}
