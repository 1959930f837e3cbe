using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model.Fused;

/// <summary>
/// The encoder's layers on ragged rows, by kernels. Padding is never computed, no autograd graph is built inside, and the parameters' gradients are added to
/// their own as they come up. Outside it looks like one differentiable function of the embedding rows and the relative rows.
/// </summary>
internal sealed class FusedEngine : IEncoderEngine
{
    private readonly DebertaV2Encoder _encoder;
    private readonly EncoderEngine _settings;
    private readonly DropoutRandom _random;
    private readonly LayerOperations _operations;
    private readonly GradientBuffers _gradients;
    private readonly IReadOnlyList<FusedLayer> _layers;
    private readonly (Projection Projection, Parameter Weight, Module<Tensor, Tensor>? Adapter)[] _sources;
    private int _keepers;
    private int _trainings;

    /// <summary>Layers that share a network's parameters.</summary>
    /// <param name="encoder">The modules that own the parameters.</param>
    /// <param name="projections">Those in its layers.</param>
    /// <param name="settings">What may be kept in memory.</param>
    /// <param name="config">The network's settings.</param>
    /// <param name="random">Where dropout masks come from.</param>
    public FusedEngine(DebertaV2Encoder encoder, IReadOnlyList<Projection> projections, EncoderEngine settings, DebertaConfig config, DropoutRandom random)
    {
        (_encoder, _settings, _random) = (encoder, settings, random);
        _operations = settings.Operations ?? OperationsOn(projections[0].Weight.device);
        _gradients = new GradientBuffers(_operations);
        var own = new FusedLayerSettings(
            config.NumAttentionHeads, config.HeadSize, (float)config.LayerNormEps, 1 / MathF.Sqrt(config.HeadSize * config.ScaleFactor),
            config.AttentionProbsDropoutProb, config.HiddenDropoutProb,
            config.RelativeAttention && config.HasContentToPosition, config.RelativeAttention && config.HasPositionToContent);
        _layers = [.. encoder.Layers.Select((layer, index) =>
            new FusedLayer(index, own, FusedLayerParameters.Of(layer, _gradients, _operations), _gradients, _operations))];
        _sources = [.. projections.Select(projection => (projection, projection.Weight, projection.Adapter))];
    }

    /// <summary>False when the layers have to be made anew: adapters come and go, and moving a network replaces its parameters.</summary>
    public bool IsCurrent =>
        _sources.All(source => ReferenceEquals(source.Projection.Weight, source.Weight) && ReferenceEquals(source.Projection.Adapter, source.Adapter));

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
            : config.HiddenSize <= DeviceOperations.MostColumns && HasKernelsFor(device));

    /// <summary>Whether there are kernels for the device and for every adapter.</summary>
    public static bool CanRun(IReadOnlyList<Projection> projections) =>
        HasKernelsFor(projections[0].Weight.device_type)
        && projections.All(projection => projection.Adapter is null or ILowRankAdapter { IsPlain: true });

    /// <inheritdoc />
    public Tensor Run(Tensor embedded_NC, BatchLayout layout, ulong firstStream)
    {
        using var scope = NewDisposeScope();
        var device = embedded_NC.device;
        var groups = FusedGroup.Chain(layout.Groups!, length => _settings.PositionsFor(length, device));
        var rows_RC = _encoder.RelativeRows(groups.Count == 1 ? groups[0].Distances.Rows : cat([.. groups.Select(group => group.Distances.Rows)]))
            ?? zeros(1, embedded_NC.shape[1], device: device);
        var pass = new FusedPass(groups, rows_RC, (ulong)_random.Seed, firstStream, (ulong)_random.GroupStep, _encoder.training);
        return Forward(embedded_NC, rows_RC, pass, Platform.Autocast.ProductType(device.type)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Bytes of activations that may wait for the backward pass, the last layers' first; what does not fit is computed anew there. Null keeps all.
    /// </summary>
    internal long? ActivationBudget => _settings.RecomputesActivations ? _settings.ActivationBudget : null;

    /// <summary>Runs the layers.</summary>
    /// <param name="embedded">Embedding rows, [N, C], float32.</param>
    /// <param name="relative">Relative rows that can occur, after their LayerNorm, [U, C], float32.</param>
    /// <param name="pass">What the layers share; its relative rows are replaced by <paramref name="relative"/>.</param>
    /// <param name="type">Element type of the matrix products: float32 or bfloat16.</param>
    /// <returns>The last layer's rows, [N, C], float32.</returns>
    private Tensor Forward(Tensor embedded, Tensor relative, FusedPass pass, ScalarType type)
    {
        if (_keepers == 0)
        {
            DropCopies();
        }

        // The anchor lets gradients reach the layers even when embeddings and relative rows are frozen (LoRA).
        using var anchor = zeros(1, requires_grad: true, device: _operations.Device);
        var (trainsInputs, trainsRelative) = (embedded.requires_grad || relative.requires_grad, relative.requires_grad);
        var lowest = trainsInputs ? 0 : _layers.TakeWhile(layer => !layer.Parameters.IsTrained).Count();
        var isTraining = is_grad_enabled() && (trainsInputs || lowest < _layers.Count);
        if (Int8Products.AreOn)
        {
            return InferInt8(embedded, relative, pass, type, isTraining);
        }

        ChoosePacking(isInference: !isTraining, type);
        // All before the first activation: made one by one in between, they would leave holes in the heap.
        if (isTraining && _trainings > 0)
        {
            _gradients.Reserve(_layers.SelectMany(layer => layer.Parameters.All));
        }

        if (_keepers > 0 || _trainings > 0)
        {
            if (_operations.KeepsCopies && isTraining)
            {
                foreach (var layer in _layers)
                {
                    FusedProjection.ReserveCopies(layer.Parameters.Projections, type);
                }
            }

            List<(Tensor Copy, Tensor Source)> stale = [];
            foreach (var projection in Projections)
            {
                projection.MakeCopies(type, stale);
            }

            Platform.TorchScriptOps.CopyAll([.. stale.Select(pair => pair.Copy)], [.. stale.Select(pair => pair.Source)]);
        }

        return isTraining
            ? FusedFunction.apply(embedded, relative, anchor, new FusedCall(this, pass, type, new(lowest, trainsInputs, trainsRelative)))
            : new FusedCall(this, pass, type, new(_layers.Count, false, false)).Infer(embedded, relative);
    }

    private Tensor InferInt8(Tensor embedded, Tensor relative, FusedPass pass, ScalarType type, bool isTraining)
    {
        if (isTraining)
        {
            throw new InvalidOperationException("Products in int8 have no gradient: they serve evaluation and tagging. Train in float32 or bfloat16.");
        }

        // All before the first activation, as other copies.
        foreach (var projection in Projections)
        {
            _ = projection.Int8Weight;
        }

        return new FusedCall(this, pass, type, new(_layers.Count, false, false)).InferInt8(embedded, relative);
    }

    /// <summary>
    /// Weights do not change until the result is disposed: copies in a narrower type are made once instead of in each pass.
    /// Used around the micro-batches of one update and around an evaluation.
    /// </summary>
    public IDisposable KeepCopies()
    {
        _keepers++;
        var memory = _operations.KeepMemory();
        return new Platform.Ending(() =>
        {
            if (--_keepers == 0)
            {
                DropCopies();
            }

            memory.Dispose();
        });
    }

    /// <summary>
    /// Around a training: weights that are not trained do not change until the result is disposed. Their copies, and the memory of all gradients and
    /// activations, stay from update to update.
    /// </summary>
    /// <exception cref="InvalidOperationException">Somebody was promised that no weight changes.</exception>
    public IDisposable KeepForTraining()
    {
        if (_keepers > 0)
        {
            throw new InvalidOperationException(
                "This network's weights were promised not to change, to a tagger that was loaded with them: dispose it first, or train another network.");
        }

        _trainings++;
        var memory = _operations.KeepMemory();
        return new Platform.Ending(() =>
        {
            if (--_trainings == 0)
            {
                _gradients.Release();
            }

            DropCopies();
            memory.Dispose();
        });
    }

    internal IReadOnlyList<FusedLayer> Layers => _layers;

    /// <inheritdoc cref="EncoderEngine.LayerDone"/>
    internal Action<int>? LayerDone => _settings.LayerDone;

    private IEnumerable<FusedProjection> Projections => _layers.SelectMany(layer => layer.Parameters.Projections);

    private void DropCopies()
    {
        foreach (var projection in Projections)
        {
            projection.DropCopies(keepsFrozen: _trainings > 0, keepsMemory: _trainings > 0 && _operations.KeepsCopies);
        }
    }

    /// <summary>
    /// Rearranging a weight pays where it then serves many products and needs no second copy for the way back: in an evaluation, unless a training around it
    /// keeps a frozen weight's narrower copy anyway.
    /// </summary>
    private void ChoosePacking(bool isInference, ScalarType type)
    {
        foreach (var projection in Projections)
        {
            projection.UsesPackedWeight = _operations.PacksWeights(type) && _keepers > 0 && isInference
                && !(_trainings > 0 && projection.IsFrozen && type != ScalarType.Float32);
        }
    }

    private static bool HasKernelsFor(DeviceType device) =>
        device == DeviceType.CPU || (device == DeviceType.CUDA && Kernels.Cuda.CudaProgram.Problem is null);

    private static LayerOperations OperationsOn(Device device) => device.type == DeviceType.CPU
        ? CpuOperations.Instance : new DeviceOperations(Kernels.Cuda.CudaProgram.Instance, Kernels.Cuda.CudaProducts.Instance, device);
}
