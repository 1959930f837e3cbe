using Microsoft.Extensions.Time.Testing;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Platform;

[Collection(ProcessMemoryTestGroup.Name)]
public class HeapTrimmerTests
{
    [Fact]
    public void Memory_goes_back_at_first_and_then_where_the_process_has_grown()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "malloc_trim is glibc's");
        var time = new FakeTimeProvider();
        var megabytes = 800;
        var trimmer = new HeapTrimmer(time, () => megabytes * 1_048_576L);
        bool Later(double seconds, int held)
        {
            time.Advance(TimeSpan.FromSeconds(seconds));
            megabytes = held;
            return trimmer.AfterUpdate();
        }

        Assert.True(trimmer.AfterUpdate());
        // What the process needs is known ten seconds later.
        Assert.False(Later(9.9, 2000));
        Assert.False(Later(0.1, 1000));
        Assert.False(Later(10, 1063));
        Assert.True(Later(10, 1064));
        Assert.False(Later(1, 9000));
        Assert.False(Later(9, 3200));
        // Of a large process a sixteenth.
        Assert.False(Later(10, 3399));
        Assert.True(Later(10, 3400));
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
