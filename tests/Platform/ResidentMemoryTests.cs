using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Platform;

public class ResidentMemoryTests
{
    [Fact]
    public void The_peak_sees_a_native_tensor_that_is_gone_again()
    {
        const long Size = 200L << 20;
        ResidentMemory.TryResetPeak();
        var before = ResidentMemory.CurrentBytes;

        using (ones(Size / sizeof(float)))
        {
            Assert.True(ResidentMemory.CurrentBytes - before > Size / 2, "a 200 MB tensor must show in resident memory");
        }

        Assert.True(ResidentMemory.PeakBytes - before > Size / 2, "the peak must remember it");
    }
}
