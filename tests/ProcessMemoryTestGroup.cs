namespace NotebookLib.Tests;

/// <summary>
/// Tests that read the resident memory of the process run alone: it moves with whatever another test, or the garbage collector, takes and gives back.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public class ProcessMemoryTestGroup
{
    public const string Name = "process memory";

    /// <summary>
    /// Collects what earlier tests left, and keeps the collector still until the result is disposed: what resident memory does then is the test's own doing.
    /// </summary>
    public static IDisposable HoldManagedHeap()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return new Held(GC.TryStartNoGCRegion(4 << 20));
    }

    private sealed class Held(bool isHeld) : IDisposable
    {
        public void Dispose()
        {
            // A test that allocated more than the region allows has ended it already.
            if (isHeld && System.Runtime.GCSettings.LatencyMode == System.Runtime.GCLatencyMode.NoGCRegion)
            {
                GC.EndNoGCRegion();
            }
        }
    }
}
