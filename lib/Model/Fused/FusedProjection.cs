using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>
/// A linear layer with its gradient written out: y = x · Wᵀ + b in the element type of x. Frozen weights cost no gradient.
/// </summary>
/// <param name="stored">W, [out, in], float32; where it is frozen also bfloat16 or int8, which each product restores anew.</param>
/// <param name="bias">b, [out], float32, or null.</param>
/// <param name="gradients">Where the gradients of W and b go.</param>
/// <param name="operations">How products are done.</param>
/// <param name="adapter">A low-rank adapter on top, or null: y += scale · B(A(dropout(x))).</param>
internal sealed class FusedProjection(StoredWeight stored, Tensor? bias, GradientBuffers gradients, LayerOperations operations,
    ILowRankAdapter? adapter = null)
{
    // Bytes after which addresses fall into the same set of a first-level cache.
    private const int CacheStride = 4096;

    private readonly Tensor _weight = stored.Weight;
    private readonly bool _isDense = stored.Weight.dtype == ScalarType.Float32;
    private readonly Dictionary<(ScalarType Type, bool IsPacked), Tensor> _copies = [];
    private readonly Dictionary<ScalarType, Tensor> _biases = [];
    private readonly LayerOperations _operations = operations;
    private readonly GradientBuffers _gradients = gradients;
    private readonly ILowRankAdapter? _adapter = adapter;
    private bool _areStale;
    private Int8Weight? _int8Weight;

    /// <summary>Probability that an element of an adapter's input is dropped; 0 without _adapter.</summary>
    public double AdapterDropout => _adapter?.DropoutProbability ?? 0;

    /// <summary>W as it is stored.</summary>
    public Tensor Stored => _weight;

    /// <summary>b, and the adapter's, trained or not.</summary>
    public IEnumerable<Tensor> Others =>
        [.. bias is null ? Array.Empty<Tensor>() : [bias], .. _adapter is null ? Array.Empty<Tensor>() : [_adapter.Down, _adapter.Up]];

    /// <summary>b, or null.</summary>
    public Tensor? Bias => bias;

    /// <summary>False when weight, bias and adapter are all frozen.</summary>
    public bool IsTrained => !IsFrozen || bias is { requires_grad: true } || _adapter is { Down.requires_grad: true } or { Up.requires_grad: true };

    /// <summary>True when the weight itself is not trained.</summary>
    public bool IsFrozen => !_weight.requires_grad;

    /// <summary>Whether an adapter lies on top.</summary>
    public bool HasAdapter => _adapter is not null;

    /// <summary>Whether the gradient looks at the layer's input: for W's own, or the adapter's.</summary>
    public bool NeedsInput => !IsFrozen || HasAdapter;

    /// <summary>
    /// True when the forward product takes a copy of the weight that is rearranged for oneDNN, made once for many products; set by the encoder before each
    /// pass.
    /// </summary>
    public bool UsesPackedWeight { get; set; }

    /// <summary>W in int8, with what the adapter adds to it; made where it is first asked for, kept as other copies are.</summary>
    public Int8Weight Int8Weight => _int8Weight ??= NewInt8Weight();

    private Int8Weight NewInt8Weight()
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var dense = FrozenWeights.Restore(_weight, stored.Scales, ScalarType.Float32);
        return new(_adapter is null ? dense : dense + (mm(_adapter.Up.to(float32), _adapter.Down.to(float32)) * (float)_adapter.Scale));
    }

    /// <summary>y = x · Wᵀ + b, and the adapter's part.</summary>
    /// <param name="x">[M, in], float32 or bfloat16.</param>
    /// <param name="pass">Groups and seed.</param>
    /// <param name="site">The adapter's dropout.</param>
    /// <returns>[M, out], the type of x.</returns>
    public Tensor Forward(Tensor x, FusedPass pass, DropoutSite site)
    {
        using var part = StepClock.Part("products, forward");
        var isPacked = UsesPackedWeight && _isDense;
        using var weight = Weight(x.dtype, isPacked);
        using var packed = !isPacked && _operations.PacksWeights(x.dtype) && MixesCacheSets(weight) ? DispatcherOperators.PackLinearWeight(weight) : null;
        var output = isPacked || packed is not null
            ? DispatcherOperators.Linear(x, packed ?? weight, BiasIn(x.dtype)) : _operations.Multiply(x, weight, BiasIn(x.dtype));
        if (_adapter is not null)
        {
            _operations.AddAdapter(_adapter, x, pass, site, output);
        }

        return output;
    }

    /// <summary>Several projections of the same rows, in one product where the device has such a call.</summary>
    /// <param name="projections">With their adapters' dropout.</param>
    /// <param name="x">[M, in].</param>
    /// <param name="pass">Groups and seed.</param>
    /// <returns>[M, out] each.</returns>
    public static Tensor[] ForwardEach(IReadOnlyList<(FusedProjection Projection, DropoutSite Site)> projections, Tensor x, FusedPass pass)
    {
        var operations = projections[0].Projection._operations;
        using (StepClock.Part("products, forward"))
        {
            if (InProductsType([.. projections.Select(each => each.Projection)], x.dtype) is { } weights
                && operations.MultiplyEach(x, weights, [.. projections.Select(each => each.Projection.BiasIn(x.dtype))]) is { } outputs)
            {
                for (var i = 0; i < outputs.Length; i++)
                {
                    if (projections[i].Projection._adapter is { } adapter)
                    {
                        operations.AddAdapter(adapter, x, pass, projections[i].Site, outputs[i]);
                    }
                }

                return outputs;
            }
        }

        return [.. projections.Select(each => each.Projection.Forward(x, pass, each.Site))];
    }

    /// <summary>gelu(y), for passes that need no gradient of it.</summary>
    /// <param name="x">[M, in], float32 or bfloat16.</param>
    /// <returns>[M, out], the type of x; null where product and GELU are two steps: with an _adapter, whose part comes in between, and on a device.</returns>
    public Tensor? ForwardGelu(Tensor x)
    {
        using var part = StepClock.Part("products, forward");
        if (_adapter is not null || !_operations.PacksWeights(x.dtype))
        {
            return null;
        }

        using var weight = Weight(x.dtype, UsesPackedWeight);
        return DispatcherOperators.LinearGelu(x, weight, BiasIn(x.dtype));
    }

    /// <summary>∂L/∂x = ∂L/∂y · W, and the adapter's part; the adapter's own gradients are added on the way.</summary>
    /// <param name="gradient">∂L/∂y, [M, out].</param>
    /// <param name="x">The layer's input, [M, in]; null will do without _adapter.</param>
    /// <param name="pass">The forward pass's.</param>
    /// <param name="site">The adapter's dropout, as in the forward pass.</param>
    /// <returns>[M, in], the type of the gradient.</returns>
    public Tensor BackwardInput(Tensor gradient, Tensor? x, FusedPass pass, DropoutSite site)
    {
        using var part = StepClock.Part("products, gradient of the input");
        using Tensor weight = Weight(gradient.dtype, isPacked: false), transposed = weight.t();
        var lower = _operations.Multiply(gradient, transposed, null);
        AccumulateAdapter(gradient, x, pass, site, lower);
        return lower;
    }

    /// <summary><see cref="BackwardInput"/> of several projections of the same rows, in one product where the device has such a call.</summary>
    /// <param name="projections">With ∂L/∂y [M, out] and their adapters' dropout.</param>
    /// <param name="x">Their input, [M, in].</param>
    /// <param name="pass">The forward pass's.</param>
    /// <returns>[M, in] each.</returns>
    public static Tensor[] BackwardInputEach(IReadOnlyList<(FusedProjection Projection, Tensor Gradient, DropoutSite Site)> projections, Tensor x,
        FusedPass pass)
    {
        using (StepClock.Part("products, gradient of the input"))
        {
            if (InProductsType([.. projections.Select(each => each.Projection)], x.dtype) is { } weights
                && projections[0].Projection._operations.MultiplyEachBack([.. projections.Select(each => each.Gradient)], weights) is { } lower)
            {
                for (var i = 0; i < lower.Length; i++)
                {
                    projections[i].Projection.AccumulateAdapter(projections[i].Gradient, x, pass, projections[i].Site, lower[i]);
                }

                return lower;
            }
        }

        return [.. projections.Select(each => each.Projection.BackwardInput(each.Gradient, x, pass, each.Site))];
    }

    /// <summary><see cref="AccumulateWeight"/> of several projections of the same rows, in one product where the device has such a call.</summary>
    /// <param name="projections">With ∂L/∂y [M, out].</param>
    /// <param name="x">Their input, [M, in].</param>
    public static void AccumulateWeightEach(IEnumerable<(FusedProjection Projection, Tensor Gradient)> projections, Tensor x)
    {
        var trained = projections.Where(each => !each.Projection.IsFrozen).ToList();
        if (trained.Count > 0)
        {
            using var part = StepClock.Part("products, gradient of the weight");
            trained[0].Projection._gradients.AddProducts([.. trained.Select(each => each.Projection._weight)], [.. trained.Select(each => each.Gradient)], x);
        }
    }

    /// <summary>The weights as products of a type take them, without handles of their own; null where one would have to be made for the product.</summary>
    private static Tensor[]? InProductsType(FusedProjection[] projections, ScalarType type)
    {
        var weights = new Tensor[projections.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            var own = projections[i];
            if (!own._isDense || own.UsesPackedWeight)
            {
                return null;
            }

            if (type == ScalarType.Float32)
            {
                weights[i] = own._weight;
            }
            else if (own._copies.TryGetValue((type, false), out var copy))
            {
                weights[i] = copy;
            }
            else
            {
                return null;
            }
        }

        return weights;
    }

    /// <summary>
    /// Makes room for copies in a narrower type, those of weights of one shape side by side; the next <see cref="MakeCopies"/> names them as older than their
    /// source.
    /// </summary>
    /// <param name="projections">In the order in which products will ask for them.</param>
    /// <param name="type">The products' type.</param>
    public static void ReserveCopies(IEnumerable<FusedProjection> projections, ScalarType type)
    {
        List<FusedProjection> row = [];
        foreach (var projection in projections.Where(each => type != ScalarType.Float32 && each._isDense && !each._copies.ContainsKey((type, false))))
        {
            if (row.Count > 0 && (!row[0]._weight.shape.AsSpan().SequenceEqual(projection._weight.shape) || row[0].Bias is null != projection.Bias is null))
            {
                ReserveCopies(row, type);
                row.Clear();
            }

            row.Add(projection);
        }

        ReserveCopies(row, type);
    }

    private static void ReserveCopies(List<FusedProjection> row, ScalarType type)
    {
        if (row.Count == 0)
        {
            return;
        }

        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        Tensor[] Room(Tensor like) => empty([row.Count, .. like.shape], type, like.device).unbind();
        var weights = Room(row[0]._weight);
        var biases = row[0].Bias is { } bias ? Room(bias) : null;
        for (var i = 0; i < row.Count; i++)
        {
            row[i]._copies[(type, false)] = weights[i].DetachFromDisposeScope();
            if (biases is not null && !row[i]._biases.ContainsKey(type))
            {
                row[i]._biases[type] = biases[i].DetachFromDisposeScope();
            }

            row[i]._areStale = true;
        }
    }

    /// <summary>The adapter's own gradients alone, where nothing below the layer is trained.</summary>
    /// <inheritdoc cref="BackwardInput" path="/param"/>
    public void BackwardAdapter(Tensor gradient, Tensor x, FusedPass pass, DropoutSite site) =>
        AccumulateAdapter(gradient, x, pass, site, inputGradient: null);

    private void AccumulateAdapter(Tensor gradient, Tensor? x, FusedPass pass, DropoutSite site, Tensor? inputGradient)
    {
        if (_adapter is null)
        {
            return;
        }

        var (down, up) = _operations.AdapterBackward(_adapter, gradient, x!, pass, site, inputGradient);
        using (down)
        using (up)
        {
            _gradients.Add(_adapter.Down, down);
            _gradients.Add(_adapter.Up, up);
        }
    }

    /// <summary>Adds ∂L/∂yᵀ · x to W's gradient, unless W is frozen.</summary>
    /// <param name="gradient">∂L/∂y, [M, out].</param>
    /// <param name="x">The layer's input, [M, in], same type; null will do where W is frozen.</param>
    public void AccumulateWeight(Tensor gradient, Tensor? x)
    {
        if (IsFrozen)
        {
            return;
        }

        using var part = StepClock.Part("products, gradient of the weight");
        _gradients.AddProduct(_weight, gradient, x!);
    }

    /// <summary>Makes what the products of a pass in this type take, and names the copies that are there but older than what they were made of.</summary>
    /// <param name="type">The products' type.</param>
    /// <param name="stale">Receives them with their source: the caller copies all at once.</param>
    public void MakeCopies(ScalarType type, List<(Tensor Copy, Tensor Source)> stale)
    {
        // What is stored in fewer bits is restored by each product.
        if (_isDense)
        {
            Weight(type, UsesPackedWeight).Dispose();
        }

        _ = BiasIn(type);
        if (_areStale)
        {
            stale.AddRange(_copies.Where(pair => !pair.Key.IsPacked).Select(pair => (pair.Value, _weight)));
            stale.AddRange(_biases.Values.Select(copy => (copy, bias!)));
            _areStale = false;
        }
    }

    /// <summary>Frees the copies of weight and bias: they are made anew where they are next asked for.</summary>
    /// <param name="keepsFrozen">Leaves the narrower copy of a weight that is not trained.</param>
    /// <param name="keepsMemory">Leaves the copies of trained weights too, to be written anew in one call for all.</param>
    public void DropCopies(bool keepsFrozen, bool keepsMemory = false)
    {
        _int8Weight?.Dispose();
        _int8Weight = null;
        // A bias may be trained where its weight is not.
        _areStale = keepsMemory && (_areStale || !IsFrozen || bias is { requires_grad: true });
        foreach (var (key, copy) in _copies.Where(pair => pair.Key.IsPacked || (!keepsMemory && !(keepsFrozen && IsFrozen))).ToList())
        {
            copy.Dispose();
            _copies.Remove(key);
        }

        if (keepsMemory)
        {
            return;
        }

        foreach (var copy in _biases.Values)
        {
            copy.Dispose();
        }

        _biases.Clear();
    }

    /// <summary>A handle of its own. A weight that is stored in fewer bits is restored for this product alone.</summary>
    private Tensor Weight(ScalarType type, bool isPacked) =>
        !_isDense ? FrozenWeights.Restore(_weight, stored.Scales, type)
        : type == ScalarType.Float32 && !isPacked ? _weight.alias()
        : (_copies.TryGetValue((type, isPacked), out var copy) ? copy : _copies[(type, isPacked)] = Copy(_weight, type, isPacked)).alias();

    /// <summary>
    /// Whether rearranging the weight apart, for this product alone, beats leaving it to the product: with rows a multiple of 4 KiB apart oneDNN's product
    /// takes more than twice as long to read them column by column (deberta-v3-large in float32: forward products 1.3 × faster).
    /// </summary>
    private static bool MixesCacheSets(Tensor weight) => weight.dtype == ScalarType.Float32 && weight.shape[1] * sizeof(float) % CacheStride == 0;

    private Tensor? BiasIn(ScalarType type) =>
        bias is null || type == bias.dtype ? bias
        : _biases.TryGetValue(type, out var copy) ? copy
        : _biases[type] = Copy(bias, type, isPacked: false);

    private static Tensor Copy(Tensor value, ScalarType type, bool isPacked)
    {
        using var part = StepClock.Part("copies of weights");
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var cast = value.detach().to(type);
        return (isPacked ? DispatcherOperators.PackLinearWeight(cast) : cast).DetachFromDisposeScope();
    }
}
