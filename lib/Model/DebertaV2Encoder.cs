using System.Collections.Concurrent;
using NotebookLib.Model.Packed;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>The stack of layers and the relative table that they share (transformers 4.35.2 DebertaV2Encoder).</summary>
public sealed class DebertaV2Encoder : Module
{
    private readonly ModuleList<DebertaV2Layer> layer;
    private readonly EmbeddingTable? rel_embeddings;
    private readonly LayerNorm? LayerNorm;
    private readonly ConvolutionLayer? conv;
    private readonly DebertaConfig _config;
    private readonly ConcurrentDictionary<(int Length, string Device), RelativePositions> _positionsByLength = [];
    private readonly DropoutRandom _random;
    private PackedEncoder? _packed;
    private PackedSources? _sources;

    /// <summary>Makes the encoder.</summary>
    public DebertaV2Encoder(ModelBuild build)
        : base(nameof(DebertaV2Encoder))
    {
        ArgumentNullException.ThrowIfNull(build);
        _config = build.Config;
        _random = build.Dropout;
        layer = new ModuleList<DebertaV2Layer>([.. Enumerable.Range(0, _config.NumHiddenLayers).Select(_ => new DebertaV2Layer(build))]);
        rel_embeddings = _config.RelativeAttention ? new EmbeddingTable(build, 2L * _config.RelativeSpan, _config.HiddenSize) : null;
        LayerNorm = _config.NormalizesRelativeEmbeddings ? build.NewLayerNorm(_config.HiddenSize) : null;
        conv = _config.ConvKernelSize > 0 ? new ConvolutionLayer(build) : null;
        RegisterComponents();
    }

    /// <summary>The layers, first to last.</summary>
    public IReadOnlyList<DebertaV2Layer> Layers => [.. layer];

    /// <summary>
    /// Whether the layers run on C# kernels with their gradient written out (<see cref="Packed.PackedEncoder"/>) wherever those can; off, they run as modules
    /// under autograd. Same numbers up to rounding, several times the speed on a CPU.
    /// </summary>
    public bool UsesPackedKernels { get; set; } = true;

    /// <summary>
    /// Recompute activations in the backward pass instead of keeping them, on the kernels and by modules alike: less memory for more time
    /// (docs/TRAINING.md has both, measured).
    /// </summary>
    public bool RecomputesActivations { get; set; }

    /// <summary>
    /// How many bytes of activations the kernels keep although <see cref="RecomputesActivations"/> is on: as many of the last layers as fit into it are not
    /// recomputed. A batch of usual sentences fits whole and costs no time, a batch of long ones takes no more than this. 0 recomputes every layer, as modules
    /// always do.
    /// </summary>
    public long ActivationBudget { get; set; } = 192L << 20;

    /// <summary>How the layers compute, where it is not left to their device: set before the first pass.</summary>
    internal LayerOperations? Operations { get; set; }

    /// <summary>
    /// Promises that no weight changes until the result is disposed, so that copies in a narrower type are made once: around the micro-batches of one update,
    /// or an evaluation.
    /// </summary>
    public IDisposable KeepWeightCopies() => CanPack ? CurrentPacked().KeepCopies() : NothingKept.Instance;

    /// <summary>
    /// Promises the same of the weights that are not trained, for longer: around a training. Their copies, and the memory of all gradients, would otherwise be
    /// made anew for each update, between other tensors, and break the heap up. A gradient that is read there must be copied to outlast the update.
    /// </summary>
    public IDisposable KeepTrainingMemory() => CanPack ? CurrentPacked().KeepForTraining() : NothingKept.Instance;

    /// <summary>Runs the layers.</summary>
    /// <param name="embeddings_NC">The embedded real pieces.</param>
    /// <param name="layout">Where they lie in the batch.</param>
    /// <param name="observe">Sees each layer's output, [N, C]; what it wants to keep it must copy or detach.</param>
    /// <returns>The last layer's output, [N, C].</returns>
    internal Tensor Run(Tensor embeddings_NC, PaddedLayout layout, Action<Tensor>? observe = null)
    {
        using var scope = NewDisposeScope();
        var productType = Platform.Autocast.ProductType(embeddings_NC.device.type);
        if (observe is null && layout.Groups is { } groups && RunsPacked(embeddings_NC.device, embeddings_NC.dtype, productType))
        {
            return RunPacked(embeddings_NC, groups, productType).MoveToOuterDisposeScope();
        }

        var relative = RelativeFor(PositionsFor(layout.Length, embeddings_NC.device));
        var hidden_NC = embeddings_NC.alias();
        for (var index = 0; index < layer.Count; index++)
        {
            var output_NC = RunLayer(layer[index], hidden_NC, layout, relative);
            if (index == 0 && conv is not null)
            {
                output_NC = conv.Run(embeddings_NC, output_NC, layout);
            }

            // Freed here, not at the end: autograd keeps what it needs, evaluation needs nothing.
            hidden_NC.Dispose();
            hidden_NC = output_NC;
            observe?.Invoke(hidden_NC);
        }

        return hidden_NC.MoveToOuterDisposeScope();
    }

    private Tensor RunLayer(DebertaV2Layer module, Tensor hidden_NC, PaddedLayout layout, RelativeEmbeddings? relative) =>
        RecomputesActivations && is_grad_enabled()
            && (hidden_NC.requires_grad || relative is { Rows_RC.requires_grad: true } || module.parameters().Any(parameter => parameter.requires_grad))
            ? LayerRecomputation.Run(module, hidden_NC, layout, relative, _random)
            : module.Run(hidden_NC, layout, relative);

    private bool CanPack => PackedEncoderBuilder.SupportsDevice(layer[0].Intermediate.Dense.Weight.device_type) && CurrentSources().ArePackable;

    private PackedSources CurrentSources()
    {
        if (_sources is null || !_sources.AreCurrent)
        {
            (_sources, _packed) = (new PackedSources(this), null);
        }

        return _sources;
    }

    private PackedEncoder CurrentPacked()
    {
        _ = CurrentSources();
        return _packed ??= PackedEncoderBuilder.Build(this, _config,
            Operations ?? PackedEncoderBuilder.OperationsOn(layer[0].Intermediate.Dense.Weight.device));
    }

    /// <summary>Whether these rows run on the kernels, which alone can take several micro-batches in one pass.</summary>
    internal bool RunsPacked(Device device, ScalarType dtype, ScalarType productType) =>
        UsesPackedKernels && PackedEncoderBuilder.Supports(_config, device.type, dtype, productType) && CurrentSources().ArePackable;

    /// <summary>Dropout streams that one pass through the layers takes: the same number always, whether all are used or not.</summary>
    internal int StreamsPerPass => training ? layer.Count * PackedPass.StreamsPerLayer : 0;

    private Tensor RunPacked(Tensor embeddings_NC, IReadOnlyList<int[]> lengths, ScalarType productType)
    {
        var packed = CurrentPacked();
        packed.ActivationBudget = RecomputesActivations ? ActivationBudget : null;
        var device = embeddings_NC.device;
        var groups = PackedGroup.Chain(lengths, length => PositionsFor(length, device));
        var rows_RC = rel_embeddings is null ? zeros(1, _config.HiddenSize, device: device)
            : RelativeRows(groups.Count == 1 ? groups[0].Distances.Rows : cat([.. groups.Select(group => group.Distances.Rows)]));
        var pass = new PackedPass(groups, rows_RC, (ulong)_random.Seed, (ulong)_random.Counter, (ulong)_random.GroupStep, training);
        _random.Counter += StreamsPerPass;
        return packed.Forward(embeddings_NC, rows_RC, pass, productType);
    }

    // Kept without relative attention too: the kernels' way back reads them after the forward's scope has ended.
    private RelativePositions PositionsFor(int length, Device device) =>
        _positionsByLength.GetOrAdd((length, device.ToString()), key => new RelativePositions(_config, key.Length, device));

    private RelativeEmbeddings? RelativeFor(RelativePositions positions) => rel_embeddings is null ? null : new(RelativeRows(positions.Rows), positions);

    /// <summary>Rows of the relative table, normalised where the configuration says so.</summary>
    /// <param name="rows_R">Their numbers, [R] int64.</param>
    /// <returns>[R, C].</returns>
    internal Tensor RelativeRows(Tensor rows_R)
    {
        var rows_RC = rel_embeddings!.call(rows_R);
        return LayerNorm is null ? rows_RC : LayerNorm.call(rows_RC);
    }

    private sealed class NothingKept : IDisposable
    {
        public static NothingKept Instance { get; } = new();

        public void Dispose()
        {
            // Modules make no copies.
        }
    }
}
