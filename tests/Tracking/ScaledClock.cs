namespace NotebookLib.Tests.Tracking;

/// <summary>A clock that runs faster than the real one: ten minutes of outage in a second.</summary>
internal sealed class ScaledClock(double factor) : TimeProvider
{
    private readonly DateTimeOffset _start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly long _startedAt = System.GetTimestamp();

    private readonly List<TimeSpan> _waits = [];

    /// <summary>What was waited for so far, one entry for each timer, in order.</summary>
    public IReadOnlyList<TimeSpan> Waits
    {
        get
        {
            lock (_waits)
            {
                return [.. _waits];
            }
        }
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => _start + Elapsed;

    public override long GetTimestamp() => Elapsed.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (_waits)
        {
            _waits.Add(dueTime);
        }

        return new ScaledTimer(System.CreateTimer(callback, state, Real(dueTime), Real(period)), Real);
    }

    private TimeSpan Elapsed => System.GetElapsedTime(_startedAt) * factor;

    private TimeSpan Real(TimeSpan time) => time == Timeout.InfiniteTimeSpan ? time : time / factor;

    private sealed class ScaledTimer(ITimer inner, Func<TimeSpan, TimeSpan> real) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(real(dueTime), real(period));

        public void Dispose() => inner.Dispose();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
