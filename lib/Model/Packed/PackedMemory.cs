using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NotebookLib.Kernels;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>Small services around the raw memory of CPU tensors.</summary>
internal static unsafe class PackedMemory
{
    /// <summary>Address of a contiguous CPU tensor's first element; valid while the tensor lives.</summary>
    public static void* Address(Tensor tensor) => Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));

    /// <inheritdoc cref="Address"/>
    public static float* Floats(Tensor tensor) => (float*)Address(tensor);

    /// <summary>Adds a gradient to a parameter's own, or makes it the first.</summary>
    public static void AddGradient(Tensor parameter, Tensor gradient)
    {
        using var part = Platform.StepClock.Part("adding gradients up");
        var existing = parameter.grad;
        if (existing is null)
        {
            parameter.grad = gradient.dtype == parameter.dtype ? gradient.clone() : gradient.to(parameter.dtype);
        }
        else
        {
            Add(existing, gradient);
        }
    }

    private static void Add(Tensor sum, Tensor values)
    {
        var isHalf = values.dtype == ScalarType.BFloat16;
        if (sum.dtype != ScalarType.Float32 || !(isHalf || values.dtype == ScalarType.Float32) || !sum.is_contiguous() || !values.is_contiguous())
        {
            sum.add_(values);
            return;
        }

        var to = Floats(sum);
        var from = Address(values);
        ThreadTeam.RunRanges(checked((int)sum.numel()), 1 << 14, (_, start, end) =>
        {
            if (isHalf)
            {
                SumKernel.Add<Kernels.BFloat16>(to, from, start, end);
            }
            else
            {
                SumKernel.Add<Kernels.Float32>(to, from, start, end);
            }
        });
    }
}
