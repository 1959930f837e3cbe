using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Platform;

[Collection(ProcessMemoryTestGroup.Name)]
public class ResidentMemoryTests
{
    [Fact]
    public void The_peak_sees_a_native_tensor_that_is_gone_again()
    {
        const long Size = 200L << 20;
        using var held = ProcessMemoryTestGroup.HoldManagedHeap();
        ResidentMemory.TryResetPeak();
        var before = ResidentMemory.CurrentBytes;

        using (ones(Size / sizeof(float)))
        {
            var grown = ResidentMemory.CurrentBytes - before;
            Assert.True(grown > Size / 2, $"a tensor of {Size:N0} bytes must show in resident memory: {grown:N0}");
        }

        var peak = ResidentMemory.PeakBytes - before;
        Assert.True(peak > Size / 2, $"the peak must remember it: {peak:N0}");
    }
}
