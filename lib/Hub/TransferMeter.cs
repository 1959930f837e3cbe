namespace NotebookLib.Hub;

/// <summary>Counts a transfer's bytes and tells an observer now and then: rate over the last seconds, time left.</summary>
internal sealed class TransferMeter(IHubObserver? observer, TimeProvider clock, string origin, string file, bool isUpload)
{
    private static readonly TimeSpan TellEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(5);

    private readonly Queue<(long Time, long Bytes)> _recent = new();
    private readonly Lock _lock = new();
    private long _done;
    private long? _total;
    private long _told;

    /// <summary>Begins, or begins again, with what is there already.</summary>
    public void Start(long done, long? total)
    {
        lock (_lock)
        {
            (_done, _total) = (done, total);
            _recent.Clear();
            _recent.Enqueue((clock.GetTimestamp(), done));
            Tell(HubTransferPhase.Running);
        }
    }

    public void Add(int bytes)
    {
        lock (_lock)
        {
            _done += bytes;
            if (clock.GetElapsedTime(_told) >= TellEvery)
            {
                Tell(HubTransferPhase.Running);
            }
        }
    }

    public void End(HubTransferPhase phase)
    {
        lock (_lock)
        {
            Tell(phase);
        }
    }

    private void Tell(HubTransferPhase phase)
    {
        _told = clock.GetTimestamp();
        _recent.Enqueue((_told, _done));
        while (_recent.Count > 2 && clock.GetElapsedTime(_recent.Peek().Time, _told) > Window)
        {
            _recent.Dequeue();
        }

        var (since, bytes) = _recent.Peek();
        var seconds = clock.GetElapsedTime(since, _told).TotalSeconds;
        var rate = seconds > 0 ? Math.Max(0, _done - bytes) / seconds : 0;
        TimeSpan? remaining = rate > 0 && _total is { } total
            ? TimeSpan.FromSeconds(Math.Min((total - _done) / rate, TimeSpan.FromDays(365).TotalSeconds)) : null;
        observer?.Progressed(new HubProgress(origin, file, isUpload, phase, _done, _total, rate, remaining));
    }
}
