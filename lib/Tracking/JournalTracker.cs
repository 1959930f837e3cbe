using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// The local file: writes everything to the run's journal before anything else happens to it. A call costs microseconds and survives a kill of the process.
/// </summary>
internal sealed class JournalTracker : ITracker
{
    private readonly RunJournal _journal;
    private readonly Secrets? _secret;
    private readonly Action<string> _notice;
    private bool _isFinished;

    /// <summary>Tracks into a journal.</summary>
    public JournalTracker(RunJournal journal, Secrets? secret, Action<string> notice) => (_journal, _secret, _notice) = (journal, secret, notice);

    /// <inheritdoc/>
    public void Log(IReadOnlyDictionary<string, object?> row, long? atStep = null)
    {
        ArgumentNullException.ThrowIfNull(row);
        ArgumentOutOfRangeException.ThrowIfNegative(atStep ?? 0);
        ThrowIfFinished();
        var plain = MediaFiles.Store(_journal.Folder, row, _journal.NextRow, _secret, artifact => _journal.Append(JournalKind.Artifact, 0, artifact));
        if (_journal.AppendRow(plain, atStep) is { } reason)
        {
            _notice(reason);
        }
    }

    /// <inheritdoc/>
    public void LogConfig(IReadOnlyDictionary<string, object?> values)
    {
        ThrowIfFinished();
        _journal.AppendValues(JournalKind.Config, values);
    }

    /// <inheritdoc/>
    public void DefineMetric(string name, string? stepMetric = null, bool stepSync = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ThrowIfFinished();
        var star = name.IndexOf('*', StringComparison.Ordinal);
        if (star >= 0 && star != name.Length - 1)
        {
            throw new ArgumentException($"metric \"{name}\": expected a name, or a pattern with one * at its end");
        }

        _journal.Append(JournalKind.Metric, 0, new MetricDefinition(star < 0 ? name : null, star < 0 ? null : name, stepMetric, stepSync, false, []));
    }

    /// <inheritdoc/>
    public void SetSummary(IReadOnlyDictionary<string, object?> values)
    {
        ThrowIfFinished();
        _journal.AppendValues(JournalKind.Summary, values);
    }

    /// <inheritdoc/>
    public void LogOutput(string line, bool isError = false)
    {
        ArgumentNullException.ThrowIfNull(line);
        // What is printed after the end belongs to no run.
        if (!_isFinished)
        {
            _journal.AppendOutput(line, isError);
        }
    }

    /// <inheritdoc/>
    public void SaveFile(string path, string? name = null)
    {
        var target = Path.GetFullPath(Path.Combine(_journal.Folder.Files, name ?? Path.GetFileName(path)));
        if (!target.StartsWith(_journal.Folder.Files + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw new ArgumentException($"file name \"{name}\": expected a relative path inside the run's files");
        }

        RunFiles.Copy(path, target, _secret);
    }

    /// <inheritdoc/>
    public void LogArtifact(TrackedArtifact artifact)
    {
        ArgumentNullException.ThrowIfNull(artifact);
        ThrowIfFinished();
        var lastStep = _journal.NextRow > 0 ? _journal.NextRow - 1 : (long?)null;
        _journal.Append(JournalKind.Artifact, 0, ArtifactStaging.Stage(_journal.Folder, artifact, lastStep, _secret));
    }

    /// <inheritdoc/>
    public ValueTask FinishAsync(int exitCode = 0, CancellationToken cancel = default)
    {
        if (!_isFinished)
        {
            _isFinished = true;
            _journal.Append(JournalKind.Exit, 0, new RunExit(exitCode, _journal.RuntimeSeconds));
            _journal.FlushToDisk();
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _journal.Dispose();
        return ValueTask.CompletedTask;
    }

    private void ThrowIfFinished()
    {
        if (_isFinished)
        {
            throw new InvalidOperationException($"run \"{_journal.Header.RunId}\" is finished; start it again where it goes on, or another one, to log more");
        }
    }
}
