using System.Text;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// The writing end of a run: gives every row its number, step and time, and writes it down before anything else happens to it. One lock; no network, no
/// waiting. A call costs microseconds and survives a kill of the process.
/// </summary>
internal sealed class RunJournal : IDisposable
{
    private static readonly DateTimeOffset Epoch = DateTimeOffset.UnixEpoch;
    private static readonly TimeSpan FlushEvery = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Lock _flushLock = new();
    private readonly TimeProvider _clock;
    private readonly IDisposable _folderLock;
    private readonly JournalWriter _writer;
    private readonly Secrets _secrets;
    private readonly Action<string> _notice;
    private readonly RowText _text;
    private readonly ITimer _flusher;
    private readonly long _startedTicks;
    private readonly double _runtimeBefore;
    private readonly int _session;
    private readonly Dictionary<string, (RowMark Mark, int Session)> _marks;
    private long _nextRow;
    private long _nextStep;
    private long _nextEvent;
    private long _nextLine;
    private long _keptRows;
    private (long Number, long Step)? _open;
    private bool _isFinished;
    private bool _isClosed;
    private string? _flushFault;

    /// <summary>Begins a session: in a new folder with the run's header, in an old one after what is there.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="settings">Who the run is; a journal that has a header keeps it. Key and token are kept out of everything written.</param>
    /// <param name="runId">The run's id.</param>
    /// <param name="clock">Gives times.</param>
    /// <exception cref="IOException">The folder is written by another process, or cannot be written.</exception>
    public RunJournal(RunFolder folder, TrackingSettings settings, string runId, TimeProvider clock)
    {
        (Folder, _clock, _secrets, _notice) = (folder, clock, settings.Secrets, settings.Notice);
        _text = new RowText(_secrets);
        _folderLock = folder.Lock();
        try
        {
            var before = RunReplay.Read(folder.Journal);
            Header = before.Header ?? JournalJson.Read<RunHeader>(_secrets.Scrub(JournalJson.WriteText(NewHeader(settings, runId, clock.GetUtcNow()))));
            _writer = new JournalWriter(folder.Journal, before.Length);
            (_nextRow, _nextEvent, _nextLine, _nextStep) = (before.Rows, before.Events, before.Lines, before.NextStep);
            _marks = before.Marks;
            (_keptRows, _runtimeBefore, _session) = (before.KeptRows, before.RuntimeSeconds, before.Sessions.Count);
            _nextStep = Math.Max(_nextStep, before.OpenRow?.Step + 1 ?? 0);
            _startedTicks = clock.GetTimestamp();
            if (before.Header is null)
            {
                _writer.Append(JournalKind.Run, 0, JournalJson.Write(Header));
            }

            var start = new SessionStart(_nextRow, _nextEvent, _nextLine, _nextStep, _runtimeBefore, clock.GetUtcNow());
            _writer.Append(JournalKind.Session, _session, JournalJson.Write(start));
        }
        catch
        {
            _writer?.Dispose();
            _folderLock.Dispose();
            throw;
        }

        _flusher = clock.CreateTimer(_ => FlushToDisk(), null, FlushEvery, FlushEvery);
    }

    public RunFolder Folder { get; }

    public RunHeader Header { get; }

    /// <summary>Rows in the journal, those that stay there included.</summary>
    public long Rows
    {
        get
        {
            lock (_lock)
            {
                return _nextRow + _keptRows;
            }
        }
    }

    /// <summary>Logs a row, its tables and charts as files of the run.</summary>
    /// <param name="row">Keys and values.</param>
    /// <param name="step">Null: the next step, and the row is complete. Else the row stays open for further parts with this step.</param>
    /// <exception cref="ArgumentException">A key or a value cannot be logged; nothing was written.</exception>
    /// <exception cref="InvalidOperationException">The run is finished.</exception>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Log(IReadOnlyDictionary<string, object?> row, long? step)
    {
        ThrowIfFinished();
        long number;
        lock (_lock)
        {
            number = _open?.Number ?? _nextRow;
        }

        var plain = MediaFiles.Store(Folder, row, number, _secrets, artifact => Append(JournalKind.Artifact, 0, artifact));
        if (AppendRow(plain, step) is { } reason)
        {
            _notice(reason);
        }
    }

    /// <summary>Logs configuration values.</summary>
    /// <inheritdoc cref="Log" path="/exception"/>
    public void LogConfig(IReadOnlyDictionary<string, object?> values)
    {
        ThrowIfFinished();
        lock (_lock)
        {
            _writer.Append(JournalKind.Config, 0, _text.Object(values, isConfig: true));
        }
    }

    /// <summary>Logs summary values.</summary>
    /// <inheritdoc cref="Log" path="/exception"/>
    public void SetSummary(IReadOnlyDictionary<string, object?> values)
    {
        ThrowIfFinished();
        lock (_lock)
        {
            _writer.Append(JournalKind.Summary, 0, _text.Object(values));
        }
    }

    /// <summary>Logs how a metric is drawn.</summary>
    /// <inheritdoc cref="Log" path="/exception"/>
    public void DefineMetric(string name, string? stepMetric, bool stepSync)
    {
        ThrowIfFinished();
        var star = name.IndexOf('*', StringComparison.Ordinal);
        if (star >= 0 && star != name.Length - 1)
        {
            throw new ArgumentException($"metric \"{name}\": expected a name, or a pattern with one * at its end");
        }

        Append(JournalKind.Metric, 0, new MetricDefinition(star < 0 ? name : null, star < 0 ? null : name, stepMetric, stepSync, false, []));
    }

    /// <summary>Stages an artifact's files and notes that they are to be uploaded.</summary>
    /// <inheritdoc cref="Log" path="/exception"/>
    public void LogArtifact(TrackedArtifact artifact)
    {
        ThrowIfFinished();
        long? lastStep;
        lock (_lock)
        {
            lastStep = (_open?.Number ?? _nextRow) is > 0 and var next ? next - 1 : null;
        }

        Append(JournalKind.Artifact, 0, ArtifactStaging.Stage(Folder, artifact, lastStep, _secrets));
    }

    /// <summary>Logs a line of console output; what is printed after the end belongs to no run.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void LogOutput(string line, bool isError)
    {
        lock (_lock)
        {
            if (!_isFinished)
            {
                _writer.Append(JournalKind.Output, _nextLine, JournalJson.Write(new OutputLine(_clock.GetUtcNow(), isError, RowText.Clean(line, _secrets))));
                _nextLine++;
            }
        }
    }

    /// <summary>Logs a sample of the machine's state.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void LogEvent(IEnumerable<KeyValuePair<string, object?>> sample)
    {
        lock (_lock)
        {
            var json = _text.Object([
                .. sample,
                new("_wandb", true),
                new("_timestamp", (_clock.GetUtcNow() - Epoch).TotalSeconds),
                new("_runtime", RuntimeSeconds),
            ]);
            _writer.Append(JournalKind.Event, _nextEvent, json);
            _nextEvent++;
        }
    }

    /// <summary>Notes the run's end, after which nothing is logged. A second call does nothing.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Finish(int exitCode)
    {
        if (!_isFinished)
        {
            _isFinished = true;
            Append(JournalKind.Exit, 0, new RunExit(exitCode, RuntimeSeconds));
            _writer.FlushToDisk();
        }
    }

    /// <summary>Notes a place to which the run may come back. A row that waits for parts is complete.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Mark(string name)
    {
        lock (_lock)
        {
            _open = null;
            var mark = new RowMark(name, _nextRow, _nextStep);
            _writer.Append(JournalKind.Mark, 0, JournalJson.Write(mark));
            _marks[name] = (mark, _session);
        }
    }

    /// <summary>Comes back to a mark: rows behind it are superseded by those that follow now.</summary>
    /// <param name="name">The mark's name.</param>
    /// <param name="isEarlier">Whether only a mark of an earlier process counts.</param>
    /// <returns>False when there is no such mark; nothing has changed then.</returns>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public bool TryReturnTo(string name, bool isEarlier)
    {
        lock (_lock)
        {
            if (!_marks.TryGetValue(name, out var found) || (isEarlier && found.Session == _session))
            {
                return false;
            }

            _writer.Append(JournalKind.Return, 0, JournalJson.Write(found.Mark));
            (_nextRow, _nextStep, _open) = (found.Mark.Rows, found.Mark.NextStep, null);
            foreach (var (later, _) in _marks.Where(pair => pair.Value.Mark.Rows > _nextRow).ToArray())
            {
                _marks.Remove(later);
            }

            return true;
        }
    }

    /// <summary>Appends a record that is none of the streams'.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Append<T>(JournalKind kind, long number, T record)
    {
        var json = Encoding.UTF8.GetBytes(_secrets.Scrub(JournalJson.WriteText(record)));
        lock (_lock)
        {
            _writer.Append(kind, number, json);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _flusher.Dispose();
        lock (_flushLock)
        {
            _isClosed = true;
            _writer.Dispose();
        }

        _text.Dispose();
        _folderLock.Dispose();
    }

    // Seconds since the run began, pauses between sessions left out.
    private double RuntimeSeconds => _runtimeBefore + _clock.GetElapsedTime(_startedTicks).TotalSeconds;

    /// <returns>Null, or why the row stays in the journal and will not be sent.</returns>
    private string? AppendRow(IEnumerable<KeyValuePair<string, object?>> row, long? step)
    {
        lock (_lock)
        {
            var at = step ?? _open?.Step ?? _nextStep;
            var isLate = at < (_open?.Step ?? _nextStep);
            var json = _text.History(row, at, RuntimeSeconds, (_clock.GetUtcNow() - Epoch).TotalSeconds);
            if (isLate || !StreamBatch.Fits(json))
            {
                _writer.Append(JournalKind.Kept, 0, json);
                _keptRows++;
                return isLate
                    ? $"a row for step {at} came after step {(_open?.Step ?? _nextStep - 1)}; W&B's steps only rise, so it stays in the journal"
                    : $"the row of step {at} has {json.Length} bytes, more than a request holds ({StreamBatch.LargestLineBytes}); it stays in the journal. "
                        + "Log large data as an artifact";
            }

            var continues = _open is { } open && open.Step == at;
            var number = continues ? _open!.Value.Number : _nextRow;
            _writer.Append(step is null ? JournalKind.Row : JournalKind.Part, number, json);
            _nextRow = number + 1;
            _nextStep = at + 1;
            _open = step is null ? null : (number, at);
            return null;
        }
    }

    /// <summary>A power failure loses the last second at most.</summary>
    private void FlushToDisk()
    {
        // A slow disk makes ticks pile up: one at a time, the others are dropped.
        if (!_flushLock.TryEnter())
        {
            return;
        }

        try
        {
            if (!_isClosed)
            {
                _writer.FlushToDisk();
            }
        }
#pragma warning disable CA1031 // On a timer's thread an exception would end the process.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            if (fault.Message != _flushFault)
            {
                _flushFault = fault.Message;
                _notice($"{Folder.FullPath}: {fault.Message}");
            }
        }
        finally
        {
            _flushLock.Exit();
        }
    }

    private void ThrowIfFinished()
    {
        if (_isFinished)
        {
            throw new InvalidOperationException($"run \"{Header.RunId}\" is finished; start it again where it goes on, or another one, to log more");
        }
    }

    private static RunHeader NewHeader(TrackingSettings settings, string runId, DateTimeOffset now)
    {
        var writerId = Guid.CreateVersion7(now).ToString();
        return new RunHeader
        {
            RunId = runId,
            Project = settings.Project,
            Entity = settings.Entity,
            Group = settings.Group,
            Name = settings.Name,
            Notes = settings.Notes,
            JobType = settings.JobType,
            Tags = settings.Tags,
            Resume = settings.Resume,
            Host = Environment.MachineName,
            Program = SystemMetrics.Program(),
            StartedAt = now,
            WriterId = writerId,
            Environment = SystemMetrics.Machine(now, writerId),
        };
    }
}
