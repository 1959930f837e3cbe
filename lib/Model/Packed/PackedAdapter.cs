using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>A low-rank adapter with its gradient written out; the frozen weight beside it costs no gradient. A and B take part in float32, whatever the type of x.</summary>
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
    /// <param name="x">[M, in], contiguous, float32 or bfloat16.</param>
    /// <param name="stream">Which elements of x are dropped.</param>
    /// <param name="output">y, [M, out], contiguous, the type of x.</param>
    public void AddForward(Tensor x, DropoutStream stream, Tensor output)
    {
        using var part = StepClock.Part("adapters, forward");
        using Tensor down = Down(), up = UpTransposed();
        var weights = Weights(down, up);
        var isHalf = x.dtype == ScalarType.BFloat16;
        void* from = PackedMemory.Address(x), to = PackedMemory.Address(output);
        RunParts((int)x.shape[0], (_, start, end) =>
        {
            if (isHalf)
            {
                AdapterKernel.Forward<Kernels.BFloat16>(weights, from, to, stream, start, end);
            }
            else
            {
                AdapterKernel.Forward<Kernels.Float32>(weights, from, to, stream, start, end);
            }
        });
    }

    /// <summary>Adds the gradients of A and B to their own, and ∂L/∂x to <paramref name="inputGradient"/> where that is wanted.</summary>
    /// <param name="gradient">∂L/∂y, [M, out], contiguous.</param>
    /// <param name="x">The input, [M, in], contiguous, the type of the gradient.</param>
    /// <param name="stream">The stream of the forward pass.</param>
    /// <param name="inputGradient">∂L/∂x, [M, in], contiguous, the type of the gradient; null when nothing below is trained.</param>
    public void AddBackward(Tensor gradient, Tensor x, DropoutStream stream, Tensor? inputGradient)
    {
        using var part = StepClock.Part("adapters, gradient");
        using Tensor down = Down(), up = UpTransposed();
        var weights = Weights(down, up);
        var rows = (int)x.shape[0];
        long downLength = down.numel(), upLength = up.numel();
        // Each part writes its own sums; they are added in one order, whoever computed them.
        using var partial = empty([PartCount(rows), downLength + upLength], float32);
        var isHalf = x.dtype == ScalarType.BFloat16;
        void* upper = PackedMemory.Address(gradient), input = PackedMemory.Address(x), lower = inputGradient is null ? null : PackedMemory.Address(inputGradient);
        var sums = PackedMemory.Floats(partial);
        RunParts(rows, (index, start, end) =>
        {
            var own = sums + (index * (downLength + upLength));
            if (isHalf)
            {
                AdapterKernel.Backward<Kernels.BFloat16>(weights, upper, input, lower, stream, own, own + downLength, start, end);
            }
            else
            {
                AdapterKernel.Backward<Kernels.Float32>(weights, upper, input, lower, stream, own, own + downLength, start, end);
            }
        });
        using Tensor totals = partial.sum(dim: 0), downPart = totals.narrow(0, 0, downLength), upPart = totals.narrow(0, downLength, upLength),
            downGradient = downPart.view(down.shape), upRows = upPart.view(up.shape), upGradient = upRows.t();
        gradients.Add(adapter.Down, downGradient);
        gradients.Add(adapter.Up, upGradient);
    }

    private static int PartCount(int rows) => (rows + AdapterKernel.RowsPerPart - 1) / AdapterKernel.RowsPerPart;

    private static void RunParts(int rows, Action<int, int, int> body) => ThreadTeam.Run(
        PartCount(rows), part => body(part, part * AdapterKernel.RowsPerPart, Math.Min(rows, (part + 1) * AdapterKernel.RowsPerPart)));

    private Tensor Down()
    {
        using var single = adapter.Down.to(float32);
        return single.contiguous();
    }

    private Tensor UpTransposed()
    {
        using Tensor single = adapter.Up.to(float32), transposed = single.t();
        return transposed.contiguous();
    }

    private AdapterKernel.Weights Weights(Tensor down, Tensor up) => new()
    {
        Down = PackedMemory.Floats(down),
        UpTransposed = PackedMemory.Floats(up),
        Rank = (int)down.shape[0],
        In = (int)down.shape[1],
        Out = (int)up.shape[1],
        Scale = (float)adapter.Scale,
    };
}
