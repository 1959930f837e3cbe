namespace NotebookLib.Platform;

/// <summary>
/// Gives the pages that freed tensors left behind back to the system, between updates, where they have become many. Batches of ever new sizes break glibc's
/// heap up; without this it grows for hundreds of updates. Pages that go back have to be had anew, so none go while the process is as large as it has to be.
/// </summary>
/// <param name="time">The clock; null for the system's.</param>
/// <param name="resident">Bytes that the process holds; null asks the system.</param>
internal sealed class HeapTrimmer(TimeProvider? time = null, Func<long>? resident = null)
{
    private const long LeastGrowth = 64L << 20;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Func<long> _resident = resident ?? (static () => ResidentMemory.CurrentBytes);
    private long? _last;
    private long? _needed;

    /// <summary>To be called where little is alive: after each update.</summary>
    /// <returns>
    /// True when memory was given back: the first time, and when the process has grown by 64 MB, or a sixteenth, over ten seconds after the last.
    /// False otherwise, when that was looked at too short ago, or the system has no such call.
    /// </returns>
    public bool AfterUpdate()
    {
        if (_last is { } last && _time.GetElapsedTime(last) < Pause)
        {
            return false;
        }

        var isFirst = _last is null;
        _last = _time.GetTimestamp();
        if (!isFirst)
        {
            var now = _resident();
            _needed ??= now;
            if (now - _needed < Math.Max(LeastGrowth, _needed.Value / 16))
            {
                return false;
            }
        }

        _needed = null;
        return MemoryReturn.Trim();
    }
}
