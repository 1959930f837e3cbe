using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>Small services around the raw memory of CPU tensors.</summary>
internal static unsafe class CpuMemory
{
    /// <summary>Address of a contiguous CPU tensor's first element; valid while the tensor lives.</summary>
    public static void* Address(Tensor tensor)
    {
        if (tensor.numel() * tensor.element_size() <= int.MaxValue)
        {
            return First(tensor);
        }

        // A span cannot be longer than 2 GB; that of the first element begins at the same place.
        using Tensor flat = tensor.view(-1), first = flat.narrow(0, 0, 1);
        return First(first);
    }

    private static void* First(Tensor tensor) => Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));

    /// <inheritdoc cref="Address"/>
    public static float* Floats(Tensor tensor) => (float*)Address(tensor);
}
