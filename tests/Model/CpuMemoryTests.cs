using NotebookLib.Model.Fused;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

public sealed unsafe class CpuMemoryTests
{
    [Fact]
    public void A_tensor_beyond_two_gigabytes_has_an_address()
    {
        const long Length = (1L << 29) + 1000; // 2.1 GB; only the pages that are touched take memory.
        using var large = empty(Length, float32);

        CpuMemory.Floats(large)[Length - 1] = 7;

        using var last = large[Length - 1];
        Assert.Equal(7, last.item<float>());
    }
}
