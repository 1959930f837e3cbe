using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>
/// Where the gradients of an encoder's parameters are added up. Through a training each has its memory once, from before the first activation, and takes it
/// again for each update: made anew in every backward pass, gradients would lie between activations and break the heap up (deberta-v3-base in float32: 0.1 to
/// 0.3 GB more at the peak).
/// </summary>
/// <param name="operations">How sums are done.</param>
internal sealed class GradientBuffers(LayerOperations operations)
{
    private readonly Dictionary<Tensor, Tensor> _buffers = new(ReferenceEqualityComparer.Instance);

    /// <summary>
    /// Makes the memory of those that have none yet, matrices of one shape that follow each other in one piece: their products can be one call then. The first
    /// gradient of an update is what touches it.
    /// </summary>
    /// <param name="parameters">Frozen ones are passed over.</param>
    public void Reserve(IEnumerable<Tensor> parameters)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        List<Tensor> row = [];
        foreach (var parameter in parameters.Where(parameter => parameter.requires_grad && !_buffers.ContainsKey(parameter)))
        {
            if (row.Count > 0 && !row[0].shape.AsSpan().SequenceEqual(parameter.shape))
            {
                Reserve(row);
                row.Clear();
            }

            row.Add(parameter);
        }

        Reserve(row);
    }

    private void Reserve(List<Tensor> row)
    {
        if (row.Count > 0)
        {
            var buffers = empty([row.Count, .. row[0].shape], row[0].dtype, row[0].device).unbind();
            for (var i = 0; i < row.Count; i++)
            {
                _buffers[row[i]] = buffers[i].DetachFromDisposeScope();
            }
        }
    }

    /// <summary>Gives the memory up; a gradient that lies in it keeps its own.</summary>
    public void Release()
    {
        foreach (var buffer in _buffers.Values)
        {
            buffer.Dispose();
        }

        _buffers.Clear();
    }

    /// <summary>Adds a gradient to a parameter's own, or makes it the first.</summary>
    /// <param name="parameter">Float32; a frozen one is passed over.</param>
    /// <param name="gradient">Same shape, float32 or bfloat16.</param>
    public void Add(Tensor parameter, Tensor gradient)
    {
        if (TargetOf(parameter) is { } target)
        {
            operations.Put(gradient, target.Target, target.IsFirst);
        }
    }

    /// <summary>Adds aᵀ · b, the gradient of a linear layer's weight.</summary>
    /// <param name="parameter">[rows, columns], float32; a frozen one is passed over.</param>
    /// <param name="a">∂L/∂y, [M, rows].</param>
    /// <param name="b">x, [M, columns].</param>
    public void AddProduct(Tensor parameter, Tensor a, Tensor b)
    {
        if (TargetOf(parameter) is { } target)
        {
            operations.AddProduct(a, b, target.Target, target.IsFirst);
        }
    }

    /// <summary>Adds aᵢᵀ · b for some weights of one shape.</summary>
    /// <param name="parameters">[rows, columns] each, float32; frozen ones are passed over.</param>
    /// <param name="a">∂L/∂yᵢ, [M, rows] each.</param>
    /// <param name="b">x, [M, columns].</param>
    public void AddProducts(IReadOnlyList<Tensor> parameters, IReadOnlyList<Tensor> a, Tensor b)
    {
        var targets = parameters.Select(TargetOf).ToArray();
        if (targets.All(target => target is not null && target.Value.IsFirst == targets[0]!.Value.IsFirst)
            && operations.AddProducts(a, b, [.. targets.Select(target => target!.Value.Target)], targets[0]!.Value.IsFirst))
        {
            return;
        }

        for (var i = 0; i < targets.Length; i++)
        {
            if (targets[i] is { } target)
            {
                operations.AddProduct(a[i], b, target.Target, target.IsFirst);
            }
        }
    }

    /// <summary>Adds column sums to the parameters whose gradient they are.</summary>
    /// <param name="sums">In parts, [parts, parameters, columns], float32.</param>
    /// <param name="parameters">[columns] each; null and frozen ones are passed over. The same one may stand there twice.</param>
    public void AddColumnSums(Tensor sums, params ReadOnlySpan<Tensor?> parameters)
    {
        var targets = new (Tensor Target, bool IsFirst)?[parameters.Length];
        for (var i = 0; i < targets.Length; i++)
        {
            targets[i] = parameters[i] is null ? null : TargetOf(parameters[i]!);
        }

        operations.AddColumnSums(sums, targets);
    }

    /// <summary>Where a parameter's gradient is added up, and whether this is its first part; null for a frozen one.</summary>
    private (Tensor Target, bool IsFirst)? TargetOf(Tensor parameter)
    {
        if (!parameter.requires_grad)
        {
            return null;
        }

        if (parameter.grad is { } existing)
        {
            return (existing, false);
        }

        var target = _buffers.TryGetValue(parameter, out var buffer)
            ? buffer : empty(parameter.shape, parameter.dtype, parameter.device).DetachFromDisposeScope();
        parameter.grad = target;
        return (target, true);
    }
}
