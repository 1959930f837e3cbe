namespace NotebookLib.Hub;

/// <summary>Where a transfer stands.</summary>
public enum HubTransferPhase
{
    /// <summary>Bytes are on their way.</summary>
    Running,

    /// <summary>All bytes are there and have the announced hash.</summary>
    Done,

    /// <summary>Nothing had to be sent: the cache, or the Hub, has it already.</summary>
    AlreadyThere,

    /// <summary>Given up.</summary>
    Failed,
}

/// <summary>How far a file has come.</summary>
/// <param name="Origin">The repository.</param>
/// <param name="File">The file's name in it.</param>
/// <param name="IsUpload">Whether it goes to the Hub.</param>
/// <param name="Phase">Where it stands.</param>
/// <param name="DoneBytes">Bytes so far, those of an earlier, broken transfer included.</param>
/// <param name="TotalBytes">Bytes altogether, where the Hub says so.</param>
/// <param name="BytesPerSecond">The rate of the last seconds.</param>
/// <param name="Remaining">The time left at that rate, where both are known.</param>
public sealed record HubProgress(
    string Origin, string File, bool IsUpload, HubTransferPhase Phase, long DoneBytes, long? TotalBytes, double BytesPerSecond, TimeSpan? Remaining);

/// <summary>Follows transfers. Calls come from any thread, at most ten a second for a file; they must be quick.</summary>
public interface IHubObserver
{
    /// <summary>A file came forward.</summary>
    void Progressed(HubProgress progress);

    /// <summary>Something that a person may want to know: a wait before trying again, a lock that somebody else holds.</summary>
    void Noticed(string message);
}

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
