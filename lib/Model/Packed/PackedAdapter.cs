using System.Runtime.Intrinsics;
using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>A low-rank adapter with its gradient written out; the frozen weight beside it costs no gradient.</summary>
/// <param name="adapter">A, B and how they are applied.</param>
/// <param name="gradients">Where their gradients go.</param>
internal sealed unsafe class PackedAdapter(ILowRankAdapter adapter, GradientBuffers gradients)
{
    /// <summary>Probability that an element of the input is dropped.</summary>
    public double DropoutProbability => adapter.DropoutProbability;

    /// <summary>A and B.</summary>
    public IEnumerable<Tensor> Parameters => [adapter.Down, adapter.Up];

    /// <summary>False when A and B are both frozen.</summary>
    public bool IsTrained => adapter.Down.requires_grad || adapter.Up.requires_grad;

    /// <summary>y += scale · B(A(dropout(x))), in place.</summary>
    /// <param name="x">[M, in].</param>
    /// <param name="stream">Which elements of x are dropped.</param>
    /// <param name="output">y, [M, out], the type of x.</param>
    public void AddForward(Tensor x, DropoutStream stream, Tensor output)
    {
        using var part = StepClock.Part("adapters, forward");
        using var dropped = Drop(x, stream);
        using Tensor down = adapter.Down.to(x.dtype), up = adapter.Up.to(x.dtype);
        using var inner = DispatcherOperators.Linear(dropped, down, null);
        using var outer = DispatcherOperators.Linear(inner, up, null);
        output.add_(outer, adapter.Scale);
    }

    /// <summary>Adds the gradients of A and B to their own, and ∂L/∂x to <paramref name="inputGradient"/> where that is wanted.</summary>
    /// <param name="gradient">∂L/∂y, [M, out].</param>
    /// <param name="x">The input, [M, in].</param>
    /// <param name="stream">The stream of the forward pass.</param>
    /// <param name="inputGradient">∂L/∂x, [M, in], type of the gradient; null when nothing below is trained.</param>
    public void AddBackward(Tensor gradient, Tensor x, DropoutStream stream, Tensor? inputGradient)
    {
        using var part = StepClock.Part("adapters, gradient");
        using var dropped = Drop(x, stream);
        using Tensor down = adapter.Down.to(x.dtype), up = adapter.Up.to(x.dtype), transposedDown = down.t(), transposedUp = up.t();
        using var inner = DispatcherOperators.Linear(dropped, down, null);
        using var scaled = gradient * adapter.Scale;
        using var innerGradient = DispatcherOperators.Linear(scaled, transposedUp, null);
        Accumulate(adapter.Up, scaled, inner);
        Accumulate(adapter.Down, innerGradient, dropped);
        if (inputGradient is null)
        {
            return;
        }

        using var lower = DispatcherOperators.Linear(innerGradient, transposedDown, null);
        using var masked = Drop(lower, stream);
        inputGradient.add_(masked);
    }

    private void Accumulate(Tensor parameter, Tensor outputGradient, Tensor input)
    {
        if (!parameter.requires_grad)
        {
            return;
        }

        using Tensor rows = outputGradient.t(), columns = input.t(), product = DispatcherOperators.Linear(rows, columns, null);
        gradients.Add(parameter, product);
    }

    private static Tensor Drop(Tensor x, DropoutStream stream)
    {
        if (!stream.IsActive)
        {
            return x.alias();
        }

        var dropped = x.clone();
        var isHalf = x.dtype == ScalarType.BFloat16;
        var values = PackedMemory.Address(dropped);
        var columns = x.shape[1];
        ThreadTeam.RunRanges((int)x.shape[0], 8, (_, start, end) =>
        {
            for (var i = start * columns; i < end * columns; i += Vector512<float>.Count)
            {
                if (isHalf)
                {
                    Kernels.BFloat16.Store(values, i, Kernels.BFloat16.Load(values, i) * stream.Factors(i));
                }
                else
                {
                    Kernels.Float32.Store(values, i, Kernels.Float32.Load(values, i) * stream.Factors(i));
                }
            }
        });
        return dropped;
    }
}
