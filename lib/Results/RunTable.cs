using NotebookLib.Platform;

namespace NotebookLib.Results;

/// <summary>
/// The table of all runs in a folder: <c>runs.csv</c> and <c>runs.parquet</c>, one row a run, and <c>runs-types.csv</c>, one row a run and entity type.
/// A row is added under a lock that holds between threads and processes, and each file is replaced as a whole: two runs that end at once both stand in it,
/// and a reader never sees half a table.
/// </summary>
/// <param name="folder">Where the files are; made when missing.</param>
/// <param name="patience">How long to wait for another process that is adding a row; null for a minute.</param>
public sealed class RunTable(string folder, TimeSpan? patience = null)
{
    private const string LockName = ".runs.lock";

    private readonly TimeSpan _patience = patience ?? TimeSpan.FromMinutes(1);

    /// <summary>The folder, as a full path.</summary>
    public string Folder { get; } = Path.GetFullPath(folder);

    /// <summary>One row a run.</summary>
    public string CsvPath => Path.Combine(Folder, "runs.csv");

    /// <summary>The same rows as Parquet.</summary>
    public string ParquetPath => Path.Combine(Folder, "runs.parquet");

    /// <summary>One row a run and entity type.</summary>
    public string TypesCsvPath => Path.Combine(Folder, "runs-types.csv");

    /// <summary>
    /// Adds a run. A run that is in the table already replaces its old row: the notebook was run again from a later cell, or a run that was stopped after its
    /// row was written went on.
    /// </summary>
    /// <param name="row">The run.</param>
    /// <param name="types">Its scores per type.</param>
    /// <exception cref="IOException">The folder cannot be written, or another process holds the lock too long; the message says where and what to
    /// do.</exception>
    /// <exception cref="InvalidDataException">A file there is damaged or of another kind; nothing was changed.</exception>
    internal void Append(RunRow row, IReadOnlyList<TypeRow>? types = null)
    {
        if (types?.FirstOrDefault(type => type.RunId != row.RunId) is { } foreign)
        {
            throw new ArgumentException($"Row {foreign.Row}: expected run {row.RunId}, found {foreign.RunId}.", nameof(types));
        }

        using var held = Lock();
        // Everything is read before anything is written: a damaged file stops here, with all files as they were.
        List<RunRow> rows = [.. CsvLedger<RunRow>.ReadFile(CsvPath)];
        var replaced = rows.Where(old => old.RunId == row.RunId || IsOneRun(old, row)).Select(old => old.RunId).ToHashSet(StringComparer.Ordinal);
        rows = [.. rows.Where(old => !replaced.Contains(old.RunId)), row];
        List<TypeRow> typeRows = [.. CsvLedger<TypeRow>.ReadFile(TypesCsvPath).Where(old => !replaced.Contains(old.RunId)), .. types ?? []];
        Write(rows, typeRows);
    }

    /// <summary>Takes a run out of the tables: a mistake, a try that should count nowhere. Its own folder stays as it is.</summary>
    /// <param name="runId">The run, as column <c>run_id</c> has it.</param>
    /// <returns>False when there is no such run.</returns>
    /// <inheritdoc cref="Append" path="/exception"/>
    public bool Remove(string runId)
    {
        ArgumentException.ThrowIfNullOrEmpty(runId);
        using var held = Lock();
        var rows = CsvLedger<RunRow>.ReadFile(CsvPath);
        var isThere = rows.RemoveAll(row => row.RunId == runId) > 0;
        if (isThere)
        {
            Write(rows, [.. CsvLedger<TypeRow>.ReadFile(TypesCsvPath).Where(type => type.RunId != runId)]);
        }

        return isThere;
    }

    /// <summary>All runs, in the order in which they were added; empty when there is no table yet.</summary>
    /// <exception cref="InvalidDataException">The file is damaged; the message names the line.</exception>
    public IReadOnlyList<RunRow> Read() => CsvLedger<RunRow>.ReadFile(CsvPath);

    /// <summary>All runs' scores per type.</summary>
    /// <inheritdoc cref="Read" path="/exception"/>
    internal IReadOnlyList<TypeRow> ReadTypes() => CsvLedger<TypeRow>.ReadFile(TypesCsvPath);

    /// <summary>Whether two rows are of one folder's one run, by processes that gave it other names.</summary>
    private static bool IsOneRun(RunRow one, RunRow other)
        => one.Link.Length > 0 && one.Link == other.Link && one.Seed == other.Seed && RunGroups.Repetition(one) == RunGroups.Repetition(other);

    private void Write(List<RunRow> rows, List<TypeRow> typeRows)
    {
        AtomicFile.Write(TypesCsvPath, stream => CsvLedger<TypeRow>.Write(stream, typeRows));
        AtomicFile.Write(ParquetPath, stream => ParquetLedger<RunRow>.Write(stream, rows));
        AtomicFile.Write(CsvPath, stream => CsvLedger<RunRow>.Write(stream, rows));
    }

    /// <summary>Waits for the folder's lock and takes it; disposing it gives it back.</summary>
    internal IDisposable Lock()
    {
        var path = Path.Combine(Folder, LockName);
        ThrowIfUnwritable(path);
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return FileLock.Take(path);
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(started) < _patience)
            {
                Thread.Sleep(Random.Shared.Next(10, 60));
            }
            catch (IOException error)
            {
                throw new IOException(Invariant($"{path}: another process has been adding a run for {_patience.TotalSeconds:0} s. End it, ")
                    + "or give this run another results folder.", error);
            }
        }
    }

    private void ThrowIfUnwritable(string path)
    {
        var probe = $"{path}-{Environment.ProcessId}-{Guid.NewGuid():N}";
        try
        {
            Directory.CreateDirectory(Folder);
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{Folder}: results cannot be written there ({error.Message.TrimEnd('.')}). "
                + "Set the results folder to one that you may write to.", error);
        }
    }
}
