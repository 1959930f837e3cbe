using Microsoft.Extensions.Time.Testing;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Platform;

[Collection(ProcessMemoryTestGroup.Name)]
public class HeapTrimmerTests
{
    [Fact]
    public void Memory_goes_back_after_an_update_but_not_after_each()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "malloc_trim is glibc's");
        var time = new FakeTimeProvider();
        var trimmer = new HeapTrimmer(time);

        Assert.True(trimmer.AfterUpdate());
        Assert.False(trimmer.AfterUpdate());
        time.Advance(TimeSpan.FromSeconds(9.9));
        Assert.False(trimmer.AfterUpdate());
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.True(trimmer.AfterUpdate());
    }

    [Fact]
    public void Holes_between_living_tensors_are_given_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "malloc_trim is glibc's");
        // Smaller than what glibc maps apart, so all lie in one heap; every second one stays.
        var tensors = Enumerable.Range(0, 2000).Select(_ => ones(25_000, 1)).ToList();
        foreach (var (tensor, i) in tensors.Select((tensor, i) => (tensor, i)).Where(pair => pair.i % 2 == 0))
        {
            tensor.Dispose();
        }

        using var held = ProcessMemoryTestGroup.HoldManagedHeap();
        var before = ResidentMemory.CurrentBytes;
        new HeapTrimmer().AfterUpdate();
        var given = before - ResidentMemory.CurrentBytes;
        tensors.ForEach(tensor => tensor.Dispose());

        Assert.True(given > 50_000_000, $"{given:N0} bytes of the 100 MB that were freed in holes");
    }
}
