namespace NotebookLib.Tracking;

/// <summary>What a sync did.</summary>
/// <param name="RunId">The run.</param>
/// <param name="Link">The run's page.</param>
/// <param name="Folder">The run's folder.</param>
/// <param name="RowsKept">Rows in the journal.</param>
/// <param name="RowsSent">Rows sent now.</param>
/// <param name="RowsOnServer">Rows that the server has confirmed, by now and before.</param>
/// <param name="EventsSent">System metrics sent now.</param>
/// <param name="OutputLinesSent">Console lines sent now.</param>
/// <param name="FilesSent">Files sent now.</param>
/// <param name="ArtifactsSent">Artifacts sent now.</param>
/// <param name="ExitCode">How the run ended; null after a kill (the server is told 1).</param>
/// <param name="DamagedLines">Lines of the journal that could not be read.</param>
/// <param name="Failures">What could not be sent, one sentence each; empty: all is there.</param>
public sealed record SyncSummary(
    string RunId, string? Link, string Folder, long RowsKept, long RowsSent, long RowsOnServer, long EventsSent, long OutputLinesSent,
    int FilesSent, int ArtifactsSent, int? ExitCode, long DamagedLines, IReadOnlyList<string> Failures)
{
    /// <summary>Whether the server was told anything.</summary>
    public bool HasSent { get; init; } = true;
}
