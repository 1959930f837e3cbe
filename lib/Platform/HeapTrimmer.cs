namespace NotebookLib.Platform;

/// <summary>
/// Gives the pages that freed tensors left behind back to the system, between updates and not too often. Batches of ever new sizes break glibc's heap up;
/// without this it grows for hundreds of updates (deberta-v3-large with LoRA: by half a gigabyte in the first hundred micro-batches).
/// </summary>
/// <param name="time">The clock; null for the system's.</param>
internal sealed class HeapTrimmer(TimeProvider? time = null)
{
    // A trim takes tens of milliseconds, and the pages have to be had anew: well below one per cent of the time.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long? _last;

    /// <summary>To be called where little is alive: after each update.</summary>
    /// <returns>True when memory was given back, false when the last time is too short ago or the system has no such call.</returns>
    public bool AfterUpdate()
    {
        if (_last is { } last && _time.GetElapsedTime(last) < Pause)
        {
            return false;
        }

        _last = _time.GetTimestamp();
        return MemoryReturn.Trim();
    }
}
