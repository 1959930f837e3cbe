using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>
/// A linear layer with its gradient written out: y = x · Wᵀ + b through oneDNN, in the element type of x. Frozen weights cost no gradient.
/// </summary>
/// <param name="stored">W, [out, in], float32; where it is frozen also bfloat16 or int8, which each product restores anew.</param>
/// <param name="bias">b, [out], float32, or null.</param>
/// <param name="adapter">A low-rank adapter on top, or null.</param>
internal sealed class PackedProjection(StoredWeight stored, Tensor? bias, PackedAdapter? adapter = null)
{
    private readonly Tensor _weight = stored.Weight;
    private readonly bool _isDense = stored.Weight.dtype == ScalarType.Float32;
    private Tensor? _castWeight;
    private Tensor? _castBias;

    /// <summary>Probability that an element of an adapter's input is dropped; 0 without adapter.</summary>
    public double AdapterDropout => adapter?.DropoutProbability ?? 0;

    /// <summary>False when weight, bias and adapter are all frozen.</summary>
    public bool IsTrained => _weight.requires_grad || bias is { requires_grad: true } || adapter is { IsTrained: true };

    /// <summary>y = x · Wᵀ + b, and the adapter's part.</summary>
    /// <param name="x">[M, in], float32 or bfloat16.</param>
    /// <param name="stream">The adapter's dropout.</param>
    /// <returns>[M, out], the type of x.</returns>
    public Tensor Forward(Tensor x, DropoutStream stream)
    {
        using var weight = Weight(x.dtype);
        var output = DispatcherOperators.Linear(x, weight, Bias(x.dtype));
        adapter?.AddForward(x, stream, output);
        return output;
    }

    /// <summary>∂L/∂x = ∂L/∂y · W, and the adapter's part; the adapter's own gradients are added on the way.</summary>
    /// <param name="gradient">∂L/∂y, [M, out].</param>
    /// <param name="x">The layer's input, [M, in].</param>
    /// <param name="stream">The adapter's dropout, as in the forward pass.</param>
    /// <returns>[M, in], the type of the gradient.</returns>
    public Tensor BackwardInput(Tensor gradient, Tensor x, DropoutStream stream)
    {
        using Tensor weight = Weight(gradient.dtype), transposed = weight.t();
        var lower = DispatcherOperators.Linear(gradient, transposed, null);
        adapter?.AddBackward(gradient, x, stream, lower);
        return lower;
    }

    /// <summary>The adapter's own gradients alone, where nothing below the layer is trained.</summary>
    /// <inheritdoc cref="BackwardInput" path="/param"/>
    public void BackwardAdapter(Tensor gradient, Tensor x, DropoutStream stream) => adapter?.AddBackward(gradient, x, stream, inputGradient: null);

    /// <summary>Adds ∂L/∂yᵀ · x to W's gradient, unless W is frozen.</summary>
    /// <param name="gradient">∂L/∂y, [M, out].</param>
    /// <param name="x">The layer's input, [M, in], same type.</param>
    public void AccumulateWeight(Tensor gradient, Tensor x)
    {
        if (!_weight.requires_grad)
        {
            return;
        }

        using var rows = gradient.t();
        using var columns = x.t();
        using var product = DispatcherOperators.Linear(rows, columns, null);
        PackedMemory.AddGradient(_weight, product);
    }

    /// <summary>Adds column sums of ∂L/∂y to b's gradient, unless b is absent or frozen.</summary>
    /// <param name="columnSums">[out], float32.</param>
    public void AccumulateBias(Tensor columnSums)
    {
        if (bias is not null && bias.requires_grad)
        {
            PackedMemory.AddGradient(bias, columnSums);
        }
    }

    /// <summary>Makes the copies in another element type anew; called when the weights may have changed.</summary>
    public void RefreshCopies(ScalarType type)
    {
        DropCopies();
        if (type == ScalarType.Float32)
        {
            return;
        }

        using var noGradients = no_grad();
        _castWeight = _isDense ? _weight.to(type).DetachFromDisposeScope() : null;
        _castBias = bias?.to(type).DetachFromDisposeScope();
    }

    /// <summary>Frees the copies in another element type.</summary>
    public void DropCopies()
    {
        _castWeight?.Dispose();
        _castBias?.Dispose();
        (_castWeight, _castBias) = (null, null);
    }

    /// <summary>A handle of its own.</summary>
    private Tensor Weight(ScalarType type) =>
        !_isDense ? FrozenWeights.Restore(_weight, stored.Scales, type) : type == ScalarType.Float32 ? _weight.alias() : _castWeight!.alias();

    private Tensor? Bias(ScalarType type) => type == ScalarType.Float32 ? bias : _castBias;
}
