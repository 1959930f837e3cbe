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
