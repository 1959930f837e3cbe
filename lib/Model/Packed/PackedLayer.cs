using System.Runtime.Intrinsics;
using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>What a layer needs of the model's settings.</summary>
/// <param name="Heads">Attention heads, H.</param>
/// <param name="HeadSize">Columns of a head, D; C = H·D.</param>
/// <param name="Epsilon">ε of LayerNorm.</param>
/// <param name="InverseScale">1 / √(D · number of score terms), transformers' scale_factor.</param>
/// <param name="AttentionDropout">Probability that an attention weight becomes zero.</param>
/// <param name="HiddenDropout">Probability that a sub-layer's output element becomes zero.</param>
/// <param name="ContentToPosition">Whether the model scores content against position.</param>
/// <param name="PositionToContent">Whether the model scores position against content.</param>
internal sealed record PackedLayerSettings(
    int Heads, int HeadSize, float Epsilon, float InverseScale, double AttentionDropout, double HiddenDropout, bool ContentToPosition, bool PositionToContent);

/// <summary>What all layers of one pass share.</summary>
/// <param name="Shape">Where the sentences lie.</param>
/// <param name="RelativeRows">The relative embeddings that can occur, [U, C], float32.</param>
/// <param name="RowOfDistance">For distance d the row of <paramref name="RelativeRows"/>, at [d + <paramref name="LongestDistance"/> − 1], int32.</param>
/// <param name="LongestDistance">For which length the distances were made: T, or more when the batch is padded further.</param>
/// <param name="Seed">Seed of the dropout streams.</param>
/// <param name="FirstStream">Number of this pass's first dropout stream; 0 streams are used where nothing is dropped.</param>
/// <param name="IsTraining">Whether dropout is on.</param>
internal sealed record PackedPass(PackedShape Shape, Tensor RelativeRows, Tensor RowOfDistance, int LongestDistance, ulong Seed, ulong FirstStream, bool IsTraining)
{
    /// <summary>Streams that one layer takes, one for each <see cref="PackedStream"/>.</summary>
    public const int StreamsPerLayer = (int)PackedStream.Output + 1;

    /// <summary>The stream of one of a layer's dropouts.</summary>
    public DropoutStream Stream(int layer, PackedStream k, double probability) =>
        new(Seed, FirstStream + (ulong)((layer * StreamsPerLayer) + (int)k), IsTraining ? probability : 0);
}

/// <summary>The places of a layer where something is dropped: four of the model, then the adapters' inputs.</summary>
internal enum PackedStream
{
    /// <summary>Attention probabilities.</summary>
    Weights,

    /// <summary>Output of the attention block.</summary>
    AttentionSum,

    /// <summary>Output of the feed-forward block.</summary>
    OutputSum,

    /// <summary>Relative rows.</summary>
    Relative,

    /// <summary>Adapter on the queries.</summary>
    Query,

    /// <summary>Adapter on the keys.</summary>
    Key,

    /// <summary>Adapter on the values.</summary>
    Value,

    /// <summary>Adapter on the relative rows' keys.</summary>
    PositionKey,

    /// <summary>Adapter on the relative rows' queries.</summary>
    PositionQuery,

    /// <summary>Adapter on the attention's output projection.</summary>
    AttentionOutput,

    /// <summary>Adapter on the widening projection.</summary>
    Intermediate,

    /// <summary>Adapter on the narrowing projection.</summary>
    Output,
}

/// <summary>
/// One encoder layer on packed rows, forward and gradient written out by hand: matrix products through oneDNN, everything else in one pass over memory each.
/// The numbers are those of the module that autograd differentiates (a test says so); only the order of float additions differs.
/// </summary>
internal sealed unsafe partial class PackedLayer(int index, PackedLayerSettings settings, PackedLayerParameters parameters, GradientBuffers buffers)
{
    /// <summary>What the gradient needs from the forward pass and nothing more; N rows.</summary>
    internal sealed class Saved : IDisposable
    {
        /// <summary>The input in the products' type; it belongs to the layer below.</summary>
        public required Tensor Input;

        public required Tensor Query, Key, Value, Probabilities, AttentionSum, AttentionStatistics, OutputSum, OutputStatistics;

        /// <summary>What GELU was applied to; the way back leaves gelu(…) here.</summary>
        public required Tensor Inner;

        /// <summary>The relative rows as this layer saw them, after dropout, [U, C].</summary>
        public required Tensor Relative;

        public Tensor? PositionKey, PositionQuery;

        /// <summary>Inputs of the attention's output and of the widening projection; null where neither the weight nor an adapter is trained.</summary>
        public Tensor? Context, Middle;

        private IEnumerable<Tensor> All => ((Tensor?[])[Query, Key, Value, Probabilities, Context, AttentionSum, AttentionStatistics, Middle, Inner, OutputSum, OutputStatistics,
            PositionKey, PositionQuery, Relative]).OfType<Tensor>();

        /// <summary>Memory that it takes.</summary>
        public long Bytes => All.Sum(tensor => tensor.numel() * tensor.element_size());

        public void Dispose()
        {
            foreach (var tensor in All)
            {
                tensor.Dispose();
            }
        }
    }

    /// <summary>A layer's rows in float32 and in the element type of the products (the same tensor when that is float32).</summary>
    internal readonly record struct Rows(Tensor Exact, Tensor Copy)
    {
        public void Dispose()
        {
            DisposeExact();
            Copy.Dispose();
        }

        /// <summary>Keeps the products' type alone.</summary>
        public void DisposeExact()
        {
            if (!ReferenceEquals(Exact, Copy))
            {
                Exact.Dispose();
            }
        }
    }

    /// <summary>The parameters, for the encoder to refresh their copies.</summary>
    public PackedLayerParameters Parameters => parameters;

    /// <summary>Computes the layer.</summary>
    /// <param name="x">Rows from the layer below, [N, C].</param>
    /// <param name="pass">What all layers share.</param>
    /// <param name="saved">Receives what the gradient needs; the caller disposes it.</param>
    /// <returns>The layer's rows, [N, C].</returns>
    public Rows Forward(Rows x, PackedPass pass, out Saved saved)
    {
        var type = x.Copy.dtype;
        var query = Project(parameters.Query, x.Copy, pass, PackedStream.Query);
        var key = Project(parameters.Key, x.Copy, pass, PackedStream.Key);
        var value = Project(parameters.Value, x.Copy, pass, PackedStream.Value);
        using var dropped = DropRelativeRows(pass.RelativeRows, pass);
        using var typed = dropped.to(type);
        // What outlives the pass is a handle of its own; the others go here, or they would be kept with it.
        var relative = typed.alias();
        var positionKey = settings.ContentToPosition ? Project(parameters.PositionKey, relative, pass, PackedStream.PositionKey) : null;
        var positionQuery = settings.PositionToContent ? Project(parameters.PositionQuery, relative, pass, PackedStream.PositionQuery) : null;
        var probabilities = empty(settings.Heads * pass.Shape.ScoresPerHead, float32);
        var context = empty(x.Copy.shape, type);
        Attend(new(query, key, value, positionKey, positionQuery, probabilities, context), pass, type);

        using var attended = Project(parameters.AttentionOutput, context, pass, PackedStream.AttentionOutput);
        var middle = AddAndNormalise(attended, x.Exact, parameters.AttentionNorm, pass, PackedStream.AttentionSum, out var attentionSum, out var attentionStatistics);

        var inner = Project(parameters.Intermediate, middle.Copy, pass, PackedStream.Intermediate);
        using var activated = Activated(inner);
        using var fed = Project(parameters.Output, activated, pass, PackedStream.Output);
        var output = AddAndNormalise(fed, middle.Exact, parameters.OutputNorm, pass, PackedStream.OutputSum, out var outputSum, out var outputStatistics);

        saved = new()
        {
            Input = x.Copy,
            Query = query,
            Key = key,
            Value = value,
            Probabilities = probabilities,
            Context = Needed(context, parameters.AttentionOutput),
            PositionKey = positionKey,
            PositionQuery = positionQuery,
            Relative = relative,
            AttentionSum = attentionSum,
            AttentionStatistics = attentionStatistics,
            Middle = Needed(middle.Copy, parameters.Intermediate),
            Inner = inner,
            OutputSum = outputSum,
            OutputStatistics = outputStatistics,
        };
        middle.DisposeExact();
        return output;
    }

    private static Tensor? Needed(Tensor input, PackedProjection projection)
    {
        if (projection.NeedsInput)
        {
            return input;
        }

        input.Dispose();
        return null;
    }

    /// <summary>Computes the layer and keeps nothing for a gradient: the same numbers up to rounding.</summary>
    /// <inheritdoc cref="Forward" path="/param"/>
    /// <inheritdoc cref="Forward" path="/returns"/>
    public Rows Infer(Rows x, PackedPass pass)
    {
        var type = x.Copy.dtype;
        using var context = empty(x.Copy.shape, type);
        using (Tensor query = Project(parameters.Query, x.Copy, pass, PackedStream.Query), key = Project(parameters.Key, x.Copy, pass, PackedStream.Key),
            value = Project(parameters.Value, x.Copy, pass, PackedStream.Value), dropped = DropRelativeRows(pass.RelativeRows, pass), relative = dropped.to(type),
            probabilities = empty(settings.Heads * pass.Shape.ScoresPerHead, float32))
        {
            using var positionKey = settings.ContentToPosition ? Project(parameters.PositionKey, relative, pass, PackedStream.PositionKey) : null;
            using var positionQuery = settings.PositionToContent ? Project(parameters.PositionQuery, relative, pass, PackedStream.PositionQuery) : null;
            Attend(new(query, key, value, positionKey, positionQuery, probabilities, context), pass, type);
        }

        using var attended = Project(parameters.AttentionOutput, context, pass, PackedStream.AttentionOutput);
        var middle = AddAndNormalise(attended, x.Exact, parameters.AttentionNorm, pass, PackedStream.AttentionSum);
        using var activated = parameters.Intermediate.ForwardGelu(middle.Copy) ?? ActivateInPlace(Project(parameters.Intermediate, middle.Copy, pass, PackedStream.Intermediate));
        using var fed = Project(parameters.Output, activated, pass, PackedStream.Output);
        var output = AddAndNormalise(fed, middle.Exact, parameters.OutputNorm, pass, PackedStream.OutputSum);
        middle.Dispose();
        return output;
    }

    private static Tensor Activated(Tensor inner)
    {
        var activated = empty(inner.shape, inner.dtype);
        Activate(inner, activated);
        return activated;
    }

    private static Tensor ActivateInPlace(Tensor inner)
    {
        Activate(inner, inner);
        return inner;
    }

    private Tensor Project(PackedProjection projection, Tensor x, PackedPass pass, PackedStream stream) =>
        projection.Forward(x, pass.Stream(index, stream, projection.AdapterDropout));

    private Tensor ProjectBack(PackedProjection projection, Tensor gradient, Tensor? x, PackedPass pass, PackedStream stream) =>
        projection.BackwardInput(gradient, x, pass.Stream(index, stream, projection.AdapterDropout));

    /// <summary>The relative rows with this layer's own dropout (transformers' pos_dropout), or with its gradient: the mask is the same.</summary>
    /// <returns>A new handle, [U, C], float32.</returns>
    private Tensor DropRelativeRows(Tensor rows, PackedPass pass)
    {
        var stream = pass.Stream(index, PackedStream.Relative, settings.HiddenDropout);
        if (!stream.IsActive)
        {
            return rows.alias();
        }

        using var part = StepClock.Part("dropout of relative rows");
        var dropped = rows.clone();
        var values = PackedMemory.Floats(dropped);
        for (long i = 0; i < dropped.numel(); i += 16)
        {
            Vector512.Store(Vector512.Load(values + i) * stream.Factors(i), values + i);
        }

        return dropped;
    }

    private readonly record struct AttentionTensors(
        Tensor Query, Tensor Key, Tensor Value, Tensor? PositionKey, Tensor? PositionQuery, Tensor Probabilities, Tensor? Context);

    private AttentionKernel.Inputs Pointers(in AttentionTensors t, PackedPass pass) => new()
    {
        Query = PackedMemory.Address(t.Query),
        Key = PackedMemory.Address(t.Key),
        Value = PackedMemory.Address(t.Value),
        PositionKey = t.PositionKey is null ? null : PackedMemory.Address(t.PositionKey),
        PositionQuery = t.PositionQuery is null ? null : PackedMemory.Address(t.PositionQuery),
        RelativeRows = (int*)PackedMemory.Address(pass.RowOfDistance) + (pass.LongestDistance - pass.Shape.Longest),
        Probabilities = PackedMemory.Floats(t.Probabilities),
        Context = t.Context is null ? null : PackedMemory.Address(t.Context),
        C = settings.Heads * settings.HeadSize,
        D = settings.HeadSize,
        InverseScale = settings.InverseScale,
        Dropout = pass.Stream(index, PackedStream.Weights, settings.AttentionDropout),
    };

    private void Attend(in AttentionTensors tensors, PackedPass pass, ScalarType type)
    {
        using var part = StepClock.Part("attention, forward");
        var inputs = Pointers(tensors, pass);
        ThreadTeam.Run(settings.Heads, head =>
        {
            if (type == ScalarType.BFloat16)
            {
                AttentionKernel.Forward<Kernels.BFloat16>(inputs, pass.Shape, head);
            }
            else
            {
                AttentionKernel.Forward<Kernels.Float32>(inputs, pass.Shape, head);
            }
        });
    }

    private static void Activate(Tensor inner, Tensor activated)
    {
        using var part = StepClock.Part("GELU, forward");
        var isHalf = inner.dtype == ScalarType.BFloat16;
        void* from = PackedMemory.Address(inner), to = PackedMemory.Address(activated);
        var columns = inner.shape[1];
        ThreadTeam.RunRanges((int)inner.shape[0], 4, (_, start, end) =>
        {
            if (isHalf)
            {
                GeluKernel.Forward<Kernels.BFloat16>(from, to, start * columns, end * columns);
            }
            else
            {
                GeluKernel.Forward<Kernels.Float32>(from, to, start * columns, end * columns);
            }
        });
    }

    /// <summary>Keeps no sum: it lies where the output will.</summary>
    private Rows AddAndNormalise(Tensor hidden, Tensor residual, PackedNorm norm, PackedPass pass, PackedStream stream)
    {
        var output = empty(residual.shape, float32);
        using var statistics = empty(residual.shape[0], 2, float32);
        return AddAndNormalise(hidden, residual, norm, pass, stream, output, statistics, output);
    }

    private Rows AddAndNormalise(Tensor hidden, Tensor residual, PackedNorm norm, PackedPass pass, PackedStream stream, out Tensor sum, out Tensor statistics)
    {
        sum = empty(residual.shape, float32);
        statistics = empty(residual.shape[0], 2, float32);
        return AddAndNormalise(hidden, residual, norm, pass, stream, sum, statistics, empty(residual.shape, float32));
    }

    private Rows AddAndNormalise(Tensor hidden, Tensor residual, PackedNorm norm, PackedPass pass, PackedStream stream, Tensor sum, Tensor statistics, Tensor output)
    {
        using var part = StepClock.Part("dropout + residual + LayerNorm, forward");
        var isHalf = hidden.dtype == ScalarType.BFloat16;
        var copy = isHalf ? empty(residual.shape, hidden.dtype) : output;
        var rows = Pointers(hidden, norm, pass, stream, sum, statistics);
        rows.Residual = PackedMemory.Floats(residual);
        rows.Output = PackedMemory.Floats(output);
        rows.OutputCopy = isHalf ? PackedMemory.Address(copy) : null;
        ThreadTeam.RunRanges((int)residual.shape[0], 8, (_, start, end) =>
        {
            if (isHalf)
            {
                NormKernel.Forward<Kernels.BFloat16>(rows, start, end);
            }
            else
            {
                NormKernel.Forward<Kernels.Float32>(rows, start, end);
            }
        });
        return new(output, copy);
    }

    private NormKernel.Rows Pointers(Tensor? hidden, PackedNorm norm, PackedPass pass, PackedStream stream, Tensor sum, Tensor statistics) => new()
    {
        Hidden = hidden is null ? null : PackedMemory.Address(hidden),
        Sum = PackedMemory.Floats(sum),
        Statistics = PackedMemory.Floats(statistics),
        Weight = PackedMemory.Floats(norm.Weight),
        Bias = PackedMemory.Floats(norm.Bias),
        C = settings.Heads * settings.HeadSize,
        Epsilon = settings.Epsilon,
        Dropout = pass.Stream(index, stream, settings.HiddenDropout),
    };
}
