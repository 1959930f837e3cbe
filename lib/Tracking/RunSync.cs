using NotebookLib.Net;
using NotebookLib.Tracking.TransactionLog;

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
internal sealed record SyncSummary(
    string RunId, string? Link, string Folder, long RowsKept, long RowsSent, long RowsOnServer, long EventsSent, long OutputLinesSent,
    int FilesSent, int ArtifactsSent, int? ExitCode, long DamagedLines, IReadOnlyList<string> Failures)
{
    /// <summary>Whether the server was told anything.</summary>
    public bool HasSent { get; init; } = true;
}

/// <summary>Uploads a run's folder: what is missing on the server, any number of times, from any state. Every row arrives once.</summary>
internal static class RunSync
{
    // results/runs/<notebook run>/wandb/<run> is 3 below results/runs; a sweep adds one.
    private const int DeepestSearch = 6;

    /// <summary>The runs at a place: the folder itself when it is one, else all below it, oldest first.</summary>
    /// <param name="folder">A run's folder, or one that holds runs somewhere.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder, or no run in it.</exception>
    public static IReadOnlyList<string> FindRuns(string folder)
    {
        if (File.Exists(Path.Combine(folder, RunFolder.JournalName)) || !Directory.Exists(folder))
        {
            return [RunFolder.Open(folder).FullPath];
        }

        var options = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = DeepestSearch, IgnoreInaccessible = true };
        var runs = Directory.EnumerateFiles(folder, RunFolder.JournalName, options).Select(path => Path.GetDirectoryName(Path.GetFullPath(path))!)
            .Order(StringComparer.Ordinal).ToArray();
        return runs.Length > 0 ? runs : [RunFolder.Open(folder).FullPath];
    }

    /// <summary>Uploads one run.</summary>
    /// <param name="folder">The run's folder (wandb/run-… or wandb/offline-run-…).</param>
    /// <param name="settings">The key and the server; default: the environment's.</param>
    /// <param name="clock">Waits and times; default: the system's.</param>
    /// <param name="cancel">Gives up; what was sent stays sent.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="DirectoryNotFoundException">The folder is no run's.</exception>
    /// <exception cref="IOException">The run is still being written by another process.</exception>
    /// <exception cref="InvalidDataException">The journal is damaged beyond single lines.</exception>
    /// <exception cref="TrackingException">The server refuses, or could not be reached; call again later.</exception>
    /// <exception cref="ArgumentException">No API key.</exception>
    public static async Task<SyncSummary> SyncAsync(
        string folder, TrackingSettings? settings = null, TimeProvider? clock = null, CancellationToken cancel = default)
    {
        var (given, time) = (settings ?? TrackingEnvironment.Read(), clock ?? TimeProvider.System);
        var run = RunFolder.Open(folder);
        using var folderLock = run.Lock();
        var survey = RunReplay.Read(run.Journal);
        var header = survey.Header ?? throw new InvalidDataException($"{run.Journal}: the journal has no header; nothing can be uploaded");
        var state = SyncState.Load(run.State, given.BaseUrl.TrimEnd('/'));
        if (IsDone(run, survey, state))
        {
            var link = WandbApi.RunLink(given.BaseUrl, state.Entity ?? "", state.Project ?? header.Project, header.RunId);
            var rows = survey.Rows;
            return new(header.RunId, link, run.FullPath, rows + survey.KeptRows, 0, rows, 0, 0, 0, 0, survey.Exit?.Code, survey.DamagedLines,
                [])
            { HasSent = false };
        }

        // A run that was killed has none yet.
        TransactionLogFile.Write(run);
        if (given.Key is null)
        {
            throw new ArgumentException("sync: no API key found; set WANDB_API_KEY or log in with netrc");
        }

        try
        {
            return await UploadAsync(run, survey, given, time, cancel).ConfigureAwait(false);
        }
        catch (TransientException fault)
        {
            throw new TrackingException(TrackingFault.Unreachable, $"{given.BaseUrl}: {fault.Message}, however often it was tried; sync again later");
        }
    }

    private static async Task<SyncSummary> UploadAsync(
        RunFolder folder, RunReplay survey, TrackingSettings settings, TimeProvider clock, CancellationToken cancel)
    {
        using var journal = new JournalWriter(folder.Journal, survey.Length);
        // Somebody waits here: a server that stays away is said, and given up when the tries of one call are used up, not after days as in the background.
        using var api = new WandbApi(settings, clock, SayWait, WandbApi.Calls);
        using var uploader = new RunUploader(folder, api, WriteBase, settings.Notice, stopped: () => { });
        await uploader.ConnectAsync(isFresh: false, settings.Gzip, cancel).ConfigureAwait(false);
        var failures = await uploader.FinishAsync(cancel).ConfigureAwait(false);
        var sent = uploader.SentLines;
        return new SyncSummary(
            survey.Header!.RunId, uploader.Link, folder.FullPath, survey.Rows + survey.KeptRows, sent.Rows, uploader.State.Sent.Rows,
            sent.Events, sent.Output, uploader.SentFiles, uploader.SentArtifacts, survey.Exit?.Code, survey.DamagedLines, failures);

        void WriteBase(int session, SessionBase place) => journal.Append(JournalKind.Base, session, JournalJson.Write(place));

        void SayWait(string reason, TimeSpan wait) => settings.Notice(Invariant($"{settings.BaseUrl}: {reason}; trying again in {wait.TotalSeconds:0} s"));
    }

    private static bool IsDone(RunFolder folder, RunReplay run, SyncState state)
        => state.CompletedSession == run.Sessions.Count - 1
            && state.Returns == run.Returns.Count
            && state.Sent == run.Counts
            && run.Artifacts.All(artifact => state.HasArtifact(artifact.ClientId))
            && state.PendingFiles(folder).Count == 0;
}
