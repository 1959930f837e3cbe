using System.Text;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// The writing end of a run: gives every row its number, step and time, and appends it. One lock; no network, no waiting.
/// </summary>
internal sealed class RunJournal : IDisposable
{
    private static readonly DateTimeOffset Epoch = DateTimeOffset.UnixEpoch;

    private readonly Lock _lock = new();
    private readonly TimeProvider _clock;
    private readonly IDisposable _folderLock;
    private readonly JournalWriter _writer;
    private readonly Secrets? _secret;
    private readonly RowText _text;
    private readonly long _startedTicks;
    private readonly double _runtimeBefore;
    private readonly Dictionary<string, (RowMark Mark, int Session)> _marks;
    private long _nextRow;
    private long _nextStep;
    private long _nextEvent;
    private long _nextLine;
    private long _keptRows;
    private (long Number, long Step)? _open;

    /// <summary>Begins a session: in a new folder with the run's header, in an old one after what is there.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="header">The run; ignored when the journal has a header.</param>
    /// <param name="clock">Gives times.</param>
    /// <param name="secret">Key and token, which are kept out of everything written.</param>
    /// <exception cref="IOException">The folder is written by another process, or cannot be written.</exception>
    public RunJournal(RunFolder folder, RunHeader header, TimeProvider clock, Secrets? secret)
    {
        (Folder, _clock, _secret, _text) = (folder, clock, secret, new RowText(secret));
        _folderLock = folder.Lock();
        try
        {
            var before = RunReplay.Read(folder.Journal);
            Header = before.Header ?? (secret is null ? header : JournalJson.Read<RunHeader>(secret.Scrub(JournalJson.WriteText(header))));
            _writer = new JournalWriter(folder.Journal, before.Length);
            (_nextRow, _nextEvent, _nextLine, _nextStep) = (before.Rows, before.Events, before.Lines, before.NextStep);
            _marks = before.Marks;
            (_keptRows, _runtimeBefore, Session) = (before.KeptRows, before.RuntimeSeconds, before.Sessions.Count);
            _nextStep = Math.Max(_nextStep, before.OpenRow?.Step + 1 ?? 0);
            _startedTicks = clock.GetTimestamp();
            if (before.Header is null)
            {
                _writer.Append(JournalKind.Run, 0, JournalJson.Write(Header));
            }

            var start = new SessionStart(_nextRow, _nextEvent, _nextLine, _nextStep, _runtimeBefore, clock.GetUtcNow());
            _writer.Append(JournalKind.Session, Session, JournalJson.Write(start));
        }
        catch
        {
            _writer?.Dispose();
            _folderLock.Dispose();
            throw;
        }
    }

    public RunFolder Folder { get; }

    public RunHeader Header { get; }

    /// <summary>This session's number; 0 for a new run.</summary>
    public int Session { get; }

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

    /// <summary>Seconds since the run began, pauses between sessions left out.</summary>
    public double RuntimeSeconds => _runtimeBefore + _clock.GetElapsedTime(_startedTicks).TotalSeconds;

    /// <summary>The number that the next row will get: it names media files.</summary>
    public long NextRow
    {
        get
        {
            lock (_lock)
            {
                return _open?.Number ?? _nextRow;
            }
        }
    }

    /// <summary>Appends a row.</summary>
    /// <param name="row">Keys and values.</param>
    /// <param name="step">Null: the next step, and the row is complete. Else the row stays open for further parts with this step.</param>
    /// <returns>Null, or why the row stays in the journal and will not be sent.</returns>
    /// <exception cref="ArgumentException">A key or a value cannot be logged; nothing was written.</exception>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public string? AppendRow(IEnumerable<KeyValuePair<string, object?>> row, long? step)
    {
        lock (_lock)
        {
            var at = step ?? _open?.Step ?? _nextStep;
            var isLate = at < (_open?.Step ?? _nextStep);
            var json = _text.History(row, at, RuntimeSeconds, (_clock.GetUtcNow() - Epoch).TotalSeconds);
            if (isLate || !WireLimits.Fits(json))
            {
                _writer.Append(JournalKind.Kept, 0, json);
                _keptRows++;
                return isLate
                    ? $"a row for step {at} came after step {(_open?.Step ?? _nextStep - 1)}; W&B's steps only rise, so it stays in the journal"
                    : $"the row of step {at} has {json.Length} bytes, more than a request holds ({WireLimits.LargestLineBytes}); it stays in the journal. "
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

    /// <summary>Notes a place to which the run may come back. A row that waits for parts is complete.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Mark(string name)
    {
        lock (_lock)
        {
            _open = null;
            var mark = new RowMark(name, _nextRow, _nextStep);
            _writer.Append(JournalKind.Mark, 0, JournalJson.Write(mark));
            _marks[name] = (mark, Session);
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
            if (!_marks.TryGetValue(name, out var found) || (isEarlier && found.Session == Session))
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

    /// <summary>Appends a sample of the machine's state.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void AppendEvent(IEnumerable<KeyValuePair<string, object?>> sample)
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

    /// <summary>Appends a line of console output.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void AppendOutput(string line, bool isError)
    {
        lock (_lock)
        {
            _writer.Append(JournalKind.Output, _nextLine, JournalJson.Write(new OutputLine(_clock.GetUtcNow(), isError, JsonValues.Text(line, _secret))));
            _nextLine++;
        }
    }

    /// <summary>Appends configuration or summary values.</summary>
    /// <exception cref="ArgumentException">A value cannot be written.</exception>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void AppendValues(JournalKind kind, IEnumerable<KeyValuePair<string, object?>> values)
    {
        lock (_lock)
        {
            _writer.Append(kind, 0, _text.Object(values, kind is JournalKind.Config ? NonFinite.Quoted : NonFinite.Bare));
        }
    }

    /// <summary>Appends a record that is none of the streams'.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Append<T>(JournalKind kind, long number, T record)
    {
        var text = JournalJson.WriteText(record);
        var json = Encoding.UTF8.GetBytes(_secret is null ? text : _secret.Scrub(text));
        lock (_lock)
        {
            _writer.Append(kind, number, json);
        }
    }

    /// <summary>Carries everything to the disk.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void FlushToDisk() => _writer.FlushToDisk();

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer.Dispose();
        _text.Dispose();
        _folderLock.Dispose();
    }
}
