using System.Globalization;

namespace NotebookLib.Tracking;

/// <summary>The three line-numbered streams of a run.</summary>
internal enum StreamKind
{
    History,
    Events,
    Output,
}

/// <summary>One line as the server will hold it, but with the journal's own number.</summary>
/// <param name="Kind">The stream.</param>
/// <param name="Session">The session that wrote it (<see cref="RunReplay.Sessions"/>).</param>
/// <param name="Number">The line's number in the journal, counted over all sessions.</param>
/// <param name="Json">The record's text.</param>
/// <param name="HasOwnStep">Whether the user numbers the steps: they are then the server's as they are.</param>
/// <param name="Returns">How often the run had come back to a mark when the line was written (<see cref="RunReplay.IsSuperseded"/>).</param>
internal readonly record struct StreamLine(StreamKind Kind, int Session, long Number, string Json, bool HasOwnStep = false, int Returns = 0);

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
    private (long Number, string Text)? _open;
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
    public (long Number, long Step)? OpenRow => _open is { } open ? (open.Number, StepOf(open.Text)) : null;

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
            foreach (var line in replay.Apply(record))
            {
                onLine?.Invoke(line);
            }
        }

        (replay.Length, replay.DamagedLines) = (reader.Position, reader.DamagedLines);
        return replay;
    }

    /// <summary>Takes one record in.</summary>
    /// <returns>The lines that are complete now, 0 to 2.</returns>
    public IReadOnlyList<StreamLine> Apply(JournalRecord record)
    {
        _gap = record.FollowsDamage ? Here() : _gap;
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

        switch (record.Kind)
        {
            case JournalKind.Row: return [.. CloseRow(except: record.Number), Complete(record.Number, Merge(record))];
            case JournalKind.Part:
                HasOwnSteps = true;
                var closed = CloseRow(except: record.Number);
                _open = (record.Number, Merge(record));
                Rows = Math.Max(Rows, record.Number + 1);
                return closed;
            case JournalKind.Event:
                Events = record.Number + 1;
                return [new(StreamKind.Events, _sessions.Count - 1, record.Number, record.Json)];
            case JournalKind.Output:
                Lines = record.Number + 1;
                return [new(StreamKind.Output, _sessions.Count - 1, record.Number, record.Json)];
            case JournalKind.Session: return StartSession(record);
            case JournalKind.Mark: return SetMark(JournalJson.Read<RowMark>(record.Json));
            case JournalKind.Return:
                var mark = JournalJson.Read<RowMark>(record.Json);
                var before = _open?.Number < mark.Rows ? CloseRow() : [];
                ReturnTo(mark);
                return before;
            case JournalKind.Exit:
                Exit = JournalJson.Read<RunExit>(record.Json);
                RuntimeSeconds = Math.Max(RuntimeSeconds, Exit.RuntimeSeconds);
                var rest = CloseRow();
                Summary.End(Exit.RuntimeSeconds);
                return rest;
            default:
                Describe(record);
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
        return [Complete(open.Number, open.Text)];
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

    private void Describe(JournalRecord record)
    {
        switch (record.Kind)
        {
            case JournalKind.Run:
                Header ??= JournalJson.Read<RunHeader>(record.Json);
                if (Header.Format != RunHeader.CurrentFormat)
                {
                    throw new InvalidDataException($"journal: expected format {RunHeader.CurrentFormat}, found {Header.Format}; "
                        + "was it written by a newer version?");
                }

                break;
            case JournalKind.Base: SetBase((int)record.Number, JournalJson.Read<SessionBase>(record.Json)); break;
            case JournalKind.Config:
                foreach (var (key, value) in JsonMembers.Split(record.Json))
                {
                    _config[key] = value;
                }

                break;
            case JournalKind.Metric: Define(JournalJson.Read<MetricDefinition>(record.Json)); break;
            case JournalKind.Summary: Summary.Set(record.Json); break;
            case JournalKind.Artifact: _artifacts.Add(JournalJson.Read<ArtifactRequest>(record.Json)); break;
            case JournalKind.Kept: KeptRows++; break;
            default: throw new InvalidDataException($"journal: a record of unknown kind '{(char)record.Kind}'; was it written by a newer version?");
        }
    }

    private IReadOnlyList<StreamLine> StartSession(JournalRecord record)
    {
        var closed = CloseRow();
        // A process that resumed a run with damaged lines may have counted fewer sessions than there are: it comes behind them.
        Pad(record.Number);
        _sessions.Add(new(JournalJson.Read<SessionStart>(record.Json), null));
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
            throw new InvalidDataException($"the journal names session {count} after {_sessions.Count}; expected the next one, "
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
        // Where nobody else wrote in between, it follows from the places, whatever else is damaged.
        return _sessions is [.., { Base: { } before, Start: var earlier }] && before.Step == place.Step && before.RuntimeSeconds == place.RuntimeSeconds
            ? start with
            {
                Rows = earlier.Rows + place.History - before.History,
                Events = earlier.Events + place.Events - before.Events,
                Lines = earlier.Lines + place.Output - before.Output,
            }
            : start;
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

    private string Merge(JournalRecord record)
    {
        if (_open is not { } open || open.Number != record.Number)
        {
            return record.Json;
        }

        _open = null;
        Dictionary<string, string> members = [];
        foreach (var (key, value) in JsonMembers.Split(open.Text).Concat(JsonMembers.Split(record.Json)))
        {
            members[key] = value;
        }

        return JsonMembers.Join(members);
    }

    private StreamLine Complete(long number, string text)
    {
        Rows = Math.Max(Rows, number + 1);
        Summary.Apply(text);
        NextStep = Math.Max(NextStep, Summary.Step + 1);
        RuntimeSeconds = Math.Max(RuntimeSeconds, Summary.RuntimeSeconds);
        return new(StreamKind.History, _sessions.Count - 1, number, text, HasOwnSteps, _returns.Count);
    }

    private static long StepOf(string row) => long.Parse(JsonMembers.Split(row).First(member => member.Key == "_step").Value, CultureInfo.InvariantCulture);
}
