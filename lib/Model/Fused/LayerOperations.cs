using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>A layer's rows in float32 and in the element type of the products (the same tensor when that is float32).</summary>
/// <param name="Exact">[N, C], float32.</param>
/// <param name="Copy">[N, C], element type of the products.</param>
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

/// <summary>What attention reads and leaves.</summary>
/// <param name="Query">[N, C], element type of the products, as the four behind it.</param>
/// <param name="Key">[N, C].</param>
/// <param name="Value">[N, C].</param>
/// <param name="PositionKey">The relative rows' keys, [U, C]; null without content → position.</param>
/// <param name="PositionQuery">The relative rows' queries, [U, C]; null without position → content.</param>
/// <param name="Probabilities">Before dropout, by group, head and sentence, float32.</param>
internal sealed record AttentionTensors(Tensor Query, Tensor Key, Tensor Value, Tensor? PositionKey, Tensor? PositionQuery, Tensor Probabilities);

/// <summary>Gradients of what attention read, in the element type of the products, and their column sums, which are the gradients of biases.</summary>
/// <param name="Query">[N, C].</param>
/// <param name="Key">[N, C].</param>
/// <param name="Value">[N, C].</param>
/// <param name="ColumnSums">Of key, query and value, in parts, [parts, 3, C], float32.</param>
/// <param name="PositionKey">[U, C]; null without content → position.</param>
/// <param name="PositionQuery">[U, C]; null without position → content.</param>
/// <param name="PositionColumnSums">Of position keys and position queries, [parts, 2, C]; what stands for a missing one means nothing; null without
/// both.</param>
internal sealed record AttentionGradients(
    Tensor Query, Tensor Key, Tensor Value, Tensor ColumnSums, Tensor? PositionKey, Tensor? PositionQuery, Tensor? PositionColumnSums) : IDisposable
{
    public void Dispose()
    {
        foreach (var gradient in (Tensor?[])[Query, Key, Value, ColumnSums, PositionKey, PositionQuery, PositionColumnSums])
        {
            gradient?.Dispose();
        }
    }
}

/// <summary>∂L/∂(layer output): one part along the residual in float32, the others out of matrix products. Whoever receives it disposes it.</summary>
/// <param name="Residual">[N, C], float32.</param>
/// <param name="Products">Up to three summands, [N, C], element type of the pass.</param>
internal sealed record OutputGradient(Tensor Residual, IReadOnlyList<Tensor> Products)
{
    public void DisposeProducts()
    {
        foreach (var product in Products)
        {
            product.Dispose();
        }
    }
}

/// <summary>What LayerNorm's gradient needs of its forward pass.</summary>
/// <param name="Sum">dropout(h) + x, [N, C], float32.</param>
/// <param name="Statistics">Mean and reciprocal standard deviation of each row, [N, 2], float32.</param>
internal sealed record NormState(Tensor Sum, Tensor Statistics);

/// <summary>
/// How an encoder layer's arithmetic is done: on a CPU by the C# kernels (<see cref="CpuOperations"/>), on a CUDA device by their twins there
/// (<see cref="DeviceOperations"/>). Which arithmetic, and in which order, says <see cref="FusedLayer"/> for both.
/// </summary>
internal abstract class LayerOperations
{
    /// <summary>Where the tensors are.</summary>
    public abstract Device Device { get; }

    /// <summary>Whether weights are rearranged for products of a type that serve many batches.</summary>
    public virtual bool PacksWeights(ScalarType type) => false;

    /// <summary>Whether narrower copies of trained weights keep their memory through a training: more of it, and one call to write them all.</summary>
    public virtual bool KeepsCopies => false;

    /// <summary>x · weightᵀ + bias, in the type of x.</summary>
    public abstract Tensor Multiply(Tensor x, Tensor weight, Tensor? bias);

    /// <summary>x · weightᵢᵀ + biasᵢ in one call, where weights and biases lie one after another in memory and the device has such a call.</summary>
    /// <param name="x">[M, in].</param>
    /// <param name="weights">[out, in] each.</param>
    /// <param name="biases">[out] each, or all null.</param>
    /// <returns>[M, out] each; null where each has to be a call of its own.</returns>
    public virtual Tensor[]? MultiplyEach(Tensor x, IReadOnlyList<Tensor> weights, IReadOnlyList<Tensor?> biases) => null;

    /// <summary>gradientᵢ · weightᵢ in one call, under the same conditions.</summary>
    /// <param name="gradients">[M, out] each.</param>
    /// <param name="weights">[out, in] each.</param>
    /// <returns>[M, in] each; null where each has to be a call of its own.</returns>
    public virtual Tensor[]? MultiplyEachBack(IReadOnlyList<Tensor> gradients, IReadOnlyList<Tensor> weights) => null;

    /// <summary>targetᵢ = aᵢᵀ · b, or targetᵢ += aᵢᵀ · b, in one call, under the same conditions.</summary>
    /// <param name="a">[M, rows] each.</param>
    /// <param name="b">[M, columns].</param>
    /// <param name="targets">[rows, columns] each, float32.</param>
    /// <param name="areFirst">Whether what the targets hold counts for nothing.</param>
    /// <returns>False where each has to be a call of its own: nothing is done then.</returns>
    public virtual bool AddProducts(IReadOnlyList<Tensor> a, Tensor b, IReadOnlyList<Tensor> targets, bool areFirst) => false;

    /// <summary>Rows with dropout, or the gradient of that: the mask is the same.</summary>
    /// <param name="rows">[rows, C], float32.</param>
    /// <param name="pass">Groups and seed.</param>
    /// <param name="site">Which dropout.</param>
    /// <param name="type">Element type of the result.</param>
    /// <returns>A handle of its own, also where nothing is dropped.</returns>
    public abstract Tensor Drop(Tensor rows, FusedPass pass, DropoutSite site, ScalarType type);

    /// <summary>Adds rows, through dropout, to a sum.</summary>
    /// <param name="sum">[rows, C], float32.</param>
    /// <param name="summands">[rows, C] each, element type of the products; one or two.</param>
    /// <param name="pass">Groups and seed.</param>
    /// <param name="site">Which dropout.</param>
    public virtual void AddDropped(Tensor sum, IReadOnlyList<Tensor> summands, FusedPass pass, DropoutSite site)
    {
        foreach (var summand in summands)
        {
            using var exact = summand.to(float32);
            using var dropped = Drop(exact, pass, site, float32);
            AddInPlace(sum, dropped);
        }
    }

    /// <summary>Fills <see cref="AttentionTensors.Probabilities"/>.</summary>
    /// <returns>The context, [N, C].</returns>
    public abstract Tensor Attend(AttentionTensors tensors, FusedPass pass, FusedLayerSettings settings, DropoutSite site);

    /// <summary>The gradients of attention.</summary>
    /// <param name="tensors">As the forward pass left them.</param>
    /// <param name="contextGradient">∂L/∂context, [N, C].</param>
    /// <param name="pass">The forward pass's.</param>
    /// <param name="settings">Heads and scale.</param>
    /// <param name="site">The dropout of the probabilities.</param>
    public abstract AttentionGradients AttendBackward(AttentionTensors tensors, Tensor contextGradient, FusedPass pass, FusedLayerSettings settings,
        DropoutSite site);

    /// <summary>LayerNorm(dropout(hidden) + residual).</summary>
    /// <param name="hidden">[N, C], element type of the products.</param>
    /// <param name="residual">[N, C], float32.</param>
    /// <param name="norm">γ and β.</param>
    /// <param name="epsilon">ε under the root.</param>
    /// <param name="pass">Groups and seed.</param>
    /// <param name="site">Which dropout.</param>
    /// <param name="keeps">Whether a gradient will be asked for.</param>
    /// <returns>The rows, and what the gradient needs.</returns>
    public abstract (Rows Rows, NormState? State) AddAndNormalise(Tensor hidden, Tensor residual, FusedNorm norm, float epsilon, FusedPass pass,
        DropoutSite site, bool keeps);

    /// <summary>
    /// Through LayerNorm, residual and dropout: the residual part stays in <paramref name="upper"/>'s tensor, the sub-layer's part is returned.
    /// </summary>
    /// <param name="state">From the forward pass.</param>
    /// <param name="norm">γ and β.</param>
    /// <param name="upper">∂L/∂(the norm's output).</param>
    /// <param name="pass">The forward pass's.</param>
    /// <param name="site">The dropout of the forward pass.</param>
    /// <param name="type">Element type of the result.</param>
    /// <returns>∂L/∂hidden [N, C], and the column sums, in parts [parts, 3, C], that are the gradients of γ, β and the bias of hidden's product.</returns>
    public abstract (Tensor Hidden, Tensor ColumnSums) Denormalise(NormState state, FusedNorm norm, OutputGradient upper, FusedPass pass, DropoutSite site,
        ScalarType type);

    /// <summary>output = gelu(inner); the two may be one tensor.</summary>
    public abstract void Gelu(Tensor inner, Tensor output);

    /// <summary>∂L/∂gelu(inner) becomes ∂L/∂inner, and inner becomes gelu(inner).</summary>
    /// <returns>Column sums of ∂L/∂inner, in parts [parts, 1, columns], float32.</returns>
    public abstract Tensor GeluBackward(Tensor inner, Tensor gradient);

    /// <summary>output += scale · B(A(dropout(x))), in place.</summary>
    public abstract void AddAdapter(ILowRankAdapter adapter, Tensor x, FusedPass pass, DropoutSite site, Tensor output);

    /// <summary>The gradients of A and B; the adapter's part of ∂L/∂x is added to <paramref name="inputGradient"/> where that is wanted.</summary>
    /// <returns>∂L/∂A [rank, in] and ∂L/∂B [out, rank].</returns>
    public abstract (Tensor Down, Tensor Up) AdapterBackward(ILowRankAdapter adapter, Tensor gradient, Tensor x, FusedPass pass, DropoutSite site,
        Tensor? inputGradient);

    /// <summary>target = aᵀ · b, or target += aᵀ · b.</summary>
    /// <param name="a">[M, rows], element type of the products.</param>
    /// <param name="b">[M, columns].</param>
    /// <param name="target">[rows, columns], float32.</param>
    /// <param name="isFirst">Whether what the target holds counts for nothing.</param>
    public virtual void AddProduct(Tensor a, Tensor b, Tensor target, bool isFirst)
    {
        using Tensor rows = a.t(), columns = b.t(), product = Multiply(rows, columns, null);
        Put(product, target, isFirst);
    }

    /// <summary>Each target = the sum of its column sums' parts, or += that.</summary>
    /// <param name="sums">[parts, targets, columns], float32.</param>
    /// <param name="targets">[columns] each, and whether what it holds counts for nothing; null is passed over. At most three.</param>
    public virtual void AddColumnSums(Tensor sums, IReadOnlyList<(Tensor Target, bool IsFirst)?> targets)
    {
        using var totals = sums.sum(dim: 0);
        for (var i = 0; i < targets.Count; i++)
        {
            if (targets[i] is { } target)
            {
                using var total = totals[i];
                Put(total, target.Target, target.IsFirst);
            }
        }
    }

    /// <summary>target = values, or target += values.</summary>
    public void Put(Tensor values, Tensor target, bool isFirst)
    {
        using var part = Platform.StepClock.Part("adding gradients up");
        if (isFirst)
        {
            using var scope = NewDisposeScope();
            target.copy_(values);
        }
        else
        {
            AddInPlace(target, values);
        }
    }

    /// <summary>sum += values, both of the same shape; float32 += float32 or a narrower type.</summary>
    public virtual void AddInPlace(Tensor sum, Tensor values)
    {
        using var scope = NewDisposeScope(); // In-place operations return a new handle each.
        sum.add_(values);
    }

    /// <summary>An uninitialised tensor there.</summary>
    public virtual Tensor New(ScalarType type, params ReadOnlySpan<long> shape) => empty(shape.ToArray(), type, Device);

    /// <summary>Until the result is disposed, memory that <see cref="New"/> gave and got back stays for what comes next.</summary>
    public virtual IDisposable KeepMemory() => new Platform.Ending(null);
}
