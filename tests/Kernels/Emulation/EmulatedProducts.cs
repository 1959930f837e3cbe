using NotebookLib.Kernels.Cuda;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Kernels.Emulation;

/// <summary>A device's products by libtorch on the CPU: rows of matrices are found by the steps that a device's library would be given.</summary>
internal sealed unsafe class EmulatedProducts : IDeviceProducts
{
    /// <summary>How many products each call made.</summary>
    public List<int> Counts { get; } = [];

    public bool TryMultiply(int count, Matrices a, Matrices b, Matrices? bias, Matrices result, bool accumulates)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Counts.Add(count);
        for (var i = 0; i < count; i++)
        {
            var product = mm(Nth(a, i).to(ScalarType.Float32), Nth(b, i).to(ScalarType.Float32).t());
            if (bias is { } added)
            {
                product = product + Nth(added, i);
            }

            product = (accumulates ? Nth(result, i) + product : product).to(result.First.dtype).contiguous();
            Buffer.MemoryCopy((void*)DeviceMemory.Address(product), Address(result, i), Size(result), Size(result));
        }

        return true;
    }

    // By address alone, as a device's library sees it: neighbours in memory need not be of one storage.
    private static Tensor Nth(Matrices row, int i)
    {
        var copy = empty(row.First.numel(), row.First.dtype);
        Buffer.MemoryCopy(Address(row, i), (void*)DeviceMemory.Address(copy), Size(row), Size(row));
        return copy.as_strided(row.First.shape, row.First.stride(), 0);
    }

    private static void* Address(Matrices row, int i) => (byte*)DeviceMemory.Address(row.First) + (i * row.Step * row.First.element_size());

    private static long Size(Matrices row) => row.First.numel() * row.First.element_size();
}
