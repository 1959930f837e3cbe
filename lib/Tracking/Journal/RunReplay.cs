using System.Text.Json;

namespace NotebookLib.Tracking;

/// <summary>A session and, once known, its place on the server.</summary>
internal sealed record ReplaySession(SessionStart Start, SessionBase? Base);

/// <summary>
/// Plays a journal: keeps what a run is (header, configuration, metrics, summary, artifacts, end) and hands out the lines of its streams.
/// The background sender and sync use the same replay, so both give every row the same line number whatever happened in between.
/// </summary>
internal sealed class RunReplay
{
    private const int MostLostSessions = 1000;

    private readonly Dictionary<string, string> _config = [];
    private readonly List<MetricDefinition> _metrics = [];
    private readonly List<ArtifactRequest> _artifacts = [];
    private readonly List<ReplaySession> _sessions = [];
    private readonly Dictionary<string, (RowMark Mark, int Session, long KeptRows, bool HasOwnSteps, SummaryValues Summary)> _marks = [];
    private readonly List<long> _returns = [];
    private (long Number, RowContent Row)? _open;
    private bool _followsFault;
    private SessionStart? _gap;

    public RunHeader? Header { get; private set; }

    public IReadOnlyList<ReplaySession> Sessions => _sessions;

    public IReadOnlyDictionary<string, string> Config => _config;

    public IReadOnlyList<MetricDefinition> Metrics => _metrics;

    public IReadOnlyList<ArtifactRequest> Artifacts => _artifacts;

    public SummaryValues Summary { get; } = new();

    /// <summary>For each time that the run came back to a mark: the number of the first row that this superseded.</summary>
    public IReadOnlyList<long> Returns => _returns;

    /// <summary>How the last session ended; null while it runs, and for ever after a kill.</summary>
    public RunExit? Exit { get; private set; }

    /// <summary>Numbers of the next lines: how many there are so far.</summary>
    public long Rows { get; private set; }

    public long Events { get; private set; }

    public long Lines { get; private set; }

    public StreamCounts Counts => new(Rows, Events, Lines);

    /// <summary>Rows that stay in the journal.</summary>
    public long KeptRows { get; private set; }

    public long NextStep { get; private set; }

    public double RuntimeSeconds { get; private set; }

    /// <summary>
    /// Whether the user has numbered a step himself: from then on steps are the server's as they are, also behind an earlier part of the run.
    /// </summary>
    public bool HasOwnSteps { get; private set; }

    /// <summary>Bytes of whole lines.</summary>
    public long Length { get; private set; }

    public long DamagedLines { get; private set; }

    /// <summary>Whether a row waits for further parts.</summary>
    public (long Number, long Step)? OpenRow => _open is { } open ? (open.Number, open.Row.Step ?? NextStep) : null;

    /// <summary>Whether a line was written beyond a mark to which the run came back afterwards: the row of its number that counts comes later.</summary>
    /// <param name="line">A line of this journal.</param>
    public bool IsSuperseded(StreamLine line)
    {
        for (var i = line.Returns; line.Kind is StreamKind.History && i < _returns.Count; i++)
        {
            if (_returns[i] <= line.Number)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The marks to which the run may come back, and the sessions that made them.</summary>
    public Dictionary<string, (RowMark Mark, int Session)> Marks => _marks.ToDictionary(pair => pair.Key, pair => (pair.Value.Mark, pair.Value.Session));

    /// <summary>Reads a whole journal.</summary>
    /// <param name="journal">The file; a missing one is empty.</param>
    /// <param name="onLine">Sees every line, superseded ones too.</param>
    /// <exception cref="InvalidDataException">The file is not a journal of this format.</exception>
    public static RunReplay Read(string journal, Action<StreamLine>? onLine = null)
    {
        var replay = new RunReplay();
        if (!File.Exists(journal))
        {
            return replay;
        }

        using var reader = new JournalReader(journal);
        while (reader.TryRead(out var record))
        {
            IReadOnlyList<StreamLine> lines;
            try
            {
                lines = replay.Apply(record);
            }
            catch (InvalidDataException fault)
            {
                throw new InvalidDataException($"{journal}: {fault.Message}", fault);
            }

            foreach (var line in lines)
            {
                onLine?.Invoke(line);
            }
        }

        replay.Length = reader.Position;
        replay.DamagedLines += reader.DamagedLines;
        return replay;
    }

    /// <summary>Takes one record in. One whose sum is right and whose content is none of its kind counts as a damaged line.</summary>
    /// <returns>The lines that are complete now, 0 to 2.</returns>
    /// <exception cref="InvalidDataException">It is of a newer format, or its session's number cannot be.</exception>
    public IReadOnlyList<StreamLine> Apply(JournalRecord record)
    {
        _gap = record.FollowsDamage || _followsFault ? Here() : _gap;
        _followsFault = false;
        object? content;
        try
        {
            content = JournalJson.Content(record);
        }
        catch (Exception fault) when (fault is InvalidDataException or FormatException or JsonException or OverflowException)
        {
            DamagedLines++;
            _followsFault = true;
            return [];
        }

        if (_sessions.Count == 0 && record.Kind is not (JournalKind.Run or JournalKind.Session or JournalKind.Base))
        {
            // The line of the first session is damaged.
            _sessions.Add(new(Here(), null));
        }

        if (record.Kind is JournalKind.Row or JournalKind.Part && record.Number < Rows && record.Number != _open?.Number)
        {
            // Numbers only fall where the run came back to a mark; the line that said so is damaged.
            ReturnTo(new("", record.Number, NextStep));
        }

        switch (content)
        {
            case RowContent row when record.Kind is JournalKind.Row:
                return [.. CloseRow(except: record.Number), Complete(record.Number, Merge(record.Number, row))];
            case RowContent row:
                HasOwnSteps = true;
                var closed = CloseRow(except: record.Number);
                _open = (record.Number, Merge(record.Number, row));
                Rows = Math.Max(Rows, record.Number + 1);
                return closed;
            case SessionStart start: return StartSession(record.Number, start);
            case RowMark mark when record.Kind is JournalKind.Mark: return SetMark(mark);
            case RowMark mark:
                var before = _open?.Number < mark.Rows ? CloseRow() : [];
                ReturnTo(mark);
                return before;
            case RunExit exit:
                Exit = exit;
                RuntimeSeconds = Math.Max(RuntimeSeconds, Exit.RuntimeSeconds);
                var rest = CloseRow();
                Summary.End(Exit.RuntimeSeconds);
                return rest;
        }

        switch (record.Kind)
        {
            case JournalKind.Event:
                Events = record.Number + 1;
                return [new(StreamKind.Events, _sessions.Count - 1, record.Number, record.Json) { Members = (List<KeyValuePair<string, string>>)content! }];
            case JournalKind.Output:
                Lines = record.Number + 1;
                return [new(StreamKind.Output, _sessions.Count - 1, record.Number, record.Json) { Output = (OutputLine)content! }];
            default:
                Describe(record, content);
                return [];
        }
    }

    /// <summary>Completes a row that waits for parts which will not come.</summary>
    public IReadOnlyList<StreamLine> CloseRow(long except = -1)
    {
        if (_open is not { } open || open.Number == except)
        {
            return [];
        }

        _open = null;
        return [Complete(open.Number, open.Row)];
    }

    /// <summary>Notes a session's place on the server.</summary>
    public void SetBase(int session, SessionBase place)
    {
        if (session >= _sessions.Count)
        {
            Pad(session);
            _sessions.Add(new(StartOf(place), null));
        }

        _sessions[session] = _sessions[session] with { Base = place };
        if (place.Summary is not null)
        {
            Summary.AddOlder(place.Summary);
        }

        foreach (var (key, value) in place.Config is null ? [] : JsonMembers.Split(place.Config))
        {
            _config.TryAdd(key, value);
        }
    }

    private IReadOnlyList<StreamLine> SetMark(RowMark mark)
    {
        var closed = CloseRow();
        _marks[mark.Name] = (mark, _sessions.Count - 1, KeptRows, HasOwnSteps, Summary.Copy());
        return closed;
    }

    private void ReturnTo(RowMark mark)
    {
        _open = null;
        _returns.Add(mark.Rows);
        (Rows, NextStep) = (mark.Rows, mark.NextStep);
        if (_marks.TryGetValue(mark.Name, out var marked))
        {
            (KeptRows, HasOwnSteps) = (marked.KeptRows, marked.HasOwnSteps);
            Summary.ReturnTo(marked.Summary);
        }

        foreach (var (name, _) in _marks.Where(pair => pair.Value.Mark.Rows > mark.Rows).ToArray())
        {
            _marks.Remove(name);
        }
    }

    private void Describe(JournalRecord record, object? content)
    {
        switch (content)
        {
            case RunHeader header:
                Header ??= header;
                if (Header.Format != RunHeader.CurrentFormat)
                {
                    throw new InvalidDataException($"expected format {RunHeader.CurrentFormat}, found {Header.Format}; "
                        + "was it written by a newer version?");
                }

                break;
            case SessionBase place: SetBase((int)Math.Min(record.Number, int.MaxValue), place); break;
            case List<KeyValuePair<string, string>> members when record.Kind is JournalKind.Config:
                foreach (var (key, value) in members)
                {
                    _config[key] = value;
                }

                break;
            case List<KeyValuePair<string, string>> members: Summary.Set(members); break;
            case MetricDefinition metric: Define(metric); break;
            case ArtifactRequest artifact: _artifacts.Add(artifact); break;
            case null when record.Kind is JournalKind.Kept: KeptRows++; break;
            default: throw new InvalidDataException($"a record of unknown kind '{(char)record.Kind}'; was it written by a newer version?");
        }
    }

    private IReadOnlyList<StreamLine> StartSession(long number, SessionStart start)
    {
        var closed = CloseRow();
        // A process that resumed a run with damaged lines may have counted fewer sessions than there are: it comes behind them.
        Pad(number);
        _sessions.Add(new(start, null));
        (Exit, _gap) = (null, null);
        return closed;
    }

    /// <summary>
    /// Puts sessions whose lines are damaged before session <paramref name="count"/>: what they wrote counts as the session's before them, and keeps its place.
    /// </summary>
    /// <exception cref="InvalidDataException">So many sessions are lost that the number itself must be wrong.</exception>
    private void Pad(long count)
    {
        if (count > _sessions.Count + MostLostSessions)
        {
            throw new InvalidDataException($"it names session {count} after {_sessions.Count}; expected the next one, "
                + $"or at most {MostLostSessions} damaged ones before it");
        }

        while (_sessions.Count < count)
        {
            _sessions.Add(new(Here(), null));
        }
    }

    /// <summary>What a session that begins here notes.</summary>
    private SessionStart Here() => new(Rows, Events, Lines, NextStep, RuntimeSeconds, default);

    /// <summary>Where the session began whose own line is damaged and whose place is known: the place stands behind its first lines.</summary>
    private SessionStart StartOf(SessionBase place)
    {
        var start = _gap ?? Here();
        if (_sessions is not [.., { Base: { } before, Start: var earlier }] || before.Step != place.Step || before.RuntimeSeconds != place.RuntimeSeconds)
        {
            return start;
        }

        // Where nobody else wrote in between, it follows from the places, whatever else is damaged.
        var first = earlier.First + place.First - before.First;
        return start with { Rows = first.Rows, Events = first.Events, Lines = first.Output };
    }

    private void Define(MetricDefinition metric)
    {
        var at = _metrics.FindIndex(known => known.Name == metric.Name && known.Glob == metric.Glob);
        if (at >= 0)
        {
            _metrics[at] = metric;
        }
        else
        {
            _metrics.Add(metric);
        }
    }

    private RowContent Merge(long number, RowContent row)
    {
        if (_open is not { } open || open.Number != number)
        {
            return row;
        }

        _open = null;
        return open.Row.With(row);
    }

    private StreamLine Complete(long number, RowContent row)
    {
        Rows = Math.Max(Rows, number + 1);
        Summary.Apply(row);
        NextStep = Math.Max(NextStep, Summary.Step + 1);
        RuntimeSeconds = Math.Max(RuntimeSeconds, Summary.RuntimeSeconds);
        return new(StreamKind.History, _sessions.Count - 1, number, row.Text) { Members = row.Members, HasOwnStep = HasOwnSteps, Returns = _returns.Count };
    }
}
