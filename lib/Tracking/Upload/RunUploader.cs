using System.Globalization;
using System.Text.Json.Nodes;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// Brings the server up to the journal: lines in order and with their numbers, then configuration, artifacts and files, then the end. Works from any state:
/// what was sent before is passed over, what was sent and not confirmed is sent again with the same numbers. The background sender and sync are two callers of
/// it. An uploader whose call threw is spent: a new one begins again at the journal's first line.
/// </summary>
internal sealed class RunUploader : IDisposable
{
    private readonly RunFolder _folder;
    private readonly WandbApi _api;
    private readonly Action<int, SessionBase> _writeBase;
    private readonly Action<string> _notice;
    private readonly Action _stopped;
    private readonly JournalReader _reader;
    private readonly RunReplay _replay = new();
    private readonly Queue<StreamLine> _waiting = new();
    private readonly SyncState _state;
    private RunPlace? _place;
    private IReadOnlyList<SessionBase> _bases = [];
    private RunReplay _survey = new();
    private bool _gzip;
    private int _placed;
    private long _sentSummary;
    private string _sentConfig = "";

    /// <summary>Opens the journal; nothing is sent.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="api">The server.</param>
    /// <param name="writeBase">Writes a session's place to the journal.</param>
    /// <param name="notice">Says something to the user.</param>
    /// <param name="stopped">Hears that somebody pressed the stop button.</param>
    /// <exception cref="IOException">The journal cannot be read.</exception>
    public RunUploader(RunFolder folder, WandbApi api, Action<int, SessionBase> writeBase, Action<string> notice, Action stopped)
    {
        (_folder, _api, _writeBase, _notice, _stopped) = (folder, api, writeBase, notice, stopped);
        _reader = new JournalReader(folder.Journal);
        _state = SyncState.Load(folder.State, api.BaseUrl);
    }

    public SyncState State => _state;

    /// <summary>Lines that this uploader has sent.</summary>
    public StreamCounts SentLines { get; private set; }

    /// <summary>Files of the run that it has sent.</summary>
    public int SentFiles { get; private set; }

    /// <summary>Artifacts that it has sent.</summary>
    public int SentArtifacts { get; private set; }

    /// <summary>How often the server wants to hear from us.</summary>
    public double HeartbeatSeconds { get; private set; } = 30;

    /// <summary>The run's page, once connected.</summary>
    public string? Link => _place is { } place ? WandbApi.RunLink(_api.BaseUrl, place.Entity, place.Project, place.RunId) : null;

    /// <summary>Agrees with the server on the run and its lines' places.</summary>
    /// <param name="isFresh">A new run with a new random id: the server cannot know it.</param>
    /// <param name="gzip">Whether bodies are compressed if the server offers it.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="TrackingException">Refused.</exception>
    /// <exception cref="TransientException">The server could not be reached.</exception>
    public async Task ConnectAsync(bool isFresh, bool gzip, CancellationToken cancel)
    {
        _survey = RunReplay.Read(_folder.Journal);
        var connector = new RunConnector(_api, _survey, _state, HasLine, _writeBase);
        (_place, _bases, _sentConfig) = await connector.ConnectAsync(!isFresh, cancel).ConfigureAwait(false);
        _state.SetReturned(_survey.Returns);
        _gzip = gzip && (await _api.FeaturesAsync(cancel).ConfigureAwait(false)).Contains("FILESTREAM_GZIP");
    }

    /// <summary>Sends what the journal has and the server has not.</summary>
    /// <param name="isLast">Whether nothing more will come: a row that waits for parts is complete.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Whether anything was sent.</returns>
    /// <exception cref="TrackingException">Refused.</exception>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task<bool> PumpAsync(bool isLast, CancellationToken cancel)
    {
        var sentAny = false;
        while (true)
        {
            var batch = new StreamBatch();
            var before = _state.Sent;
            var sent = before;
            var isFull = !Fill(batch, ref sent, isLast);
            var summary = _replay.Summary.Version;
            isFull = isFull || (summary != _sentSummary && !TrySetSummary(batch));
            if (!batch.IsEmpty)
            {
                await PostAsync(batch, cancel).ConfigureAwait(false);
                _state.SetSent(sent);
                SentLines += sent - before;
                sentAny = true;
            }

            _sentSummary = isFull ? _sentSummary : summary;
            // What is in the request before the run came back to a mark must have been sent before its numbers are used again.
            _state.SetReturned(_replay.Returns);
            if (!isFull)
            {
                return sentAny;
            }
        }
    }

    /// <summary>Says that the run lives.</summary>
    /// <exception cref="TrackingException">Refused.</exception>
    /// <exception cref="TransientException">All tries failed.</exception>
    public Task HeartbeatAsync(CancellationToken cancel) => PostAsync(new StreamBatch(), cancel);

    /// <summary>Sends the configuration when it changed since it was last sent.</summary>
    /// <exception cref="TrackingException">Refused.</exception>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task UpdateConfigAsync(CancellationToken cancel)
    {
        var config = RunConfig.ToJson(_replay);
        if (config != _sentConfig && _place is { } place)
        {
            var variables = new JsonObject { ["name"] = place.RunId, ["entity"] = place.Entity, ["project"] = place.Project, ["config"] = config };
            await _api.UpsertBucketAsync(variables, cancel).ConfigureAwait(false);
            _sentConfig = config;
        }
    }

    /// <summary>Artifacts that the journal, as far as it is read, names and the server has not.</summary>
    public IReadOnlyList<ArtifactRequest> PendingArtifacts => [.. _replay.Artifacts.Where(artifact => !_state.HasArtifact(artifact.ClientId))];

    /// <summary>Uploads artifacts; may run beside the stream.</summary>
    /// <returns>Names of those that could not be sent, with the reason.</returns>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task<IReadOnlyList<string>> UploadArtifactsAsync(IReadOnlyList<ArtifactRequest> artifacts, CancellationToken cancel)
    {
        List<string> failed = [];
        var uploader = new ArtifactUploader(_api, _folder, _place!);
        foreach (var artifact in artifacts)
        {
            try
            {
                if (!ArtifactStaging.IsSent(_folder, artifact, _api.BaseUrl))
                {
                    await uploader.UploadAsync(artifact, cancel).ConfigureAwait(false);
                    ArtifactStaging.SetSent(_folder, artifact, _api.BaseUrl);
                    SentArtifacts++;
                }

                _state.AddArtifact(artifact.ClientId);
            }
            catch (Exception fault) when (fault is TrackingException or IOException or UnauthorizedAccessException)
            {
                failed.Add($"artifact \"{artifact.Name}\": {fault.Message}");
            }
        }

        return failed;
    }

    /// <summary>Sends the rest and ends the run on the server.</summary>
    /// <returns>What could not be sent, one sentence each.</returns>
    /// <exception cref="TrackingException">Refused.</exception>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task<IReadOnlyList<string>> FinishAsync(CancellationToken cancel)
    {
        await PumpAsync(isLast: true, cancel).ConfigureAwait(false);
        await EmptySupersededAsync(cancel).ConfigureAwait(false);
        await UpdateConfigAsync(cancel).ConfigureAwait(false);
        List<string> failed = [.. await UploadArtifactsAsync(PendingArtifacts, cancel).ConfigureAwait(false)];
        RunFiles.Write(_folder, _replay);
        var uploaded = await new RunFileUploader(_api, _folder, _place!, _state).UploadAsync(failed, cancel).ConfigureAwait(false);
        SentFiles += uploaded.Count;
        var session = _replay.Sessions.Count - 1;
        // A run without an end was killed: 1, as wandb 0.31 says when it syncs such a run.
        await PostAsync(new StreamBatch(), cancel, uploaded, _replay.Exit?.Code ?? 1).ConfigureAwait(false);
        _state.SetCompleted(session);
        return failed;
    }

    /// <inheritdoc/>
    public void Dispose() => _reader.Dispose();

    /// <summary>Takes lines from the journal into the batch.</summary>
    /// <returns>False when the batch is to be sent before more can be taken in.</returns>
    private bool Fill(StreamBatch batch, ref StreamCounts sent, bool isLast)
    {
        while (true)
        {
            while (_waiting.TryPeek(out var line))
            {
                if (_survey.IsSuperseded(line) || _replay.IsSuperseded(line))
                {
                    _waiting.Dequeue();
                    continue;
                }

                if (line.Number >= _state.Sent[line.Kind] && !TryAdd(batch, line))
                {
                    return false;
                }

                sent = sent.Reaching(line.Kind, line.Number + 1);
                _waiting.Dequeue();
            }

            if (!_reader.TryRead(out var record))
            {
                var last = isLast ? _replay.CloseRow() : [];
                if (last.Count == 0)
                {
                    return true;
                }

                _waiting.Enqueue(last[0]);
                continue;
            }

            Play(record);
            if (_replay.Returns.Count > _state.Returns)
            {
                return false;
            }
        }
    }

    private void Play(JournalRecord record)
    {
        foreach (var line in _replay.Apply(record))
        {
            _waiting.Enqueue(line);
        }

        // The place stands further back in the journal than the session's first lines. A session whose line is damaged comes with the first line behind it.
        for (; _placed < Math.Min(_replay.Sessions.Count, _bases.Count); _placed++)
        {
            _replay.SetBase(_placed, _bases[_placed]);
        }
    }

    private bool TryAdd(StreamBatch batch, StreamLine line)
    {
        var number = SessionOf(line, _survey.Sessions);
        var session = _survey.Sessions[number];
        var place = session.Base ?? throw new InvalidOperationException($"session {number} has no place on the server");
        return batch.TryAdd(line.Kind, line.Number - session.Start.First[line.Kind] + place.First[line.Kind], TextOf(line, place));
    }

    private bool TrySetSummary(StreamBatch batch)
    {
        var place = _replay.Sessions[^1].Base!;
        var text = _replay.Summary.ToJson(_replay.HasOwnSteps ? 0 : place.Step, place.RuntimeSeconds);
        if (!StreamBatch.Fits(text))
        {
            _notice($"the summary has {text.Length} characters, more than a request holds; it is not sent. Log large values as tables or artifacts");
            return true;
        }

        return batch.TrySetSummary(text);
    }

    private async Task PostAsync(StreamBatch batch, CancellationToken cancel, IReadOnlyList<string>? uploaded = null, int? exitCode = null)
    {
        var answer = await _api.FileStreamAsync(_place!, batch.ToBody(uploaded, exitCode), _gzip, cancel).ConfigureAwait(false);
        if (answer is null)
        {
            await PostSmallerAsync(batch, cancel).ConfigureAwait(false);
            return;
        }

        HeartbeatSeconds = answer.HeartbeatSeconds is >= 1 and <= 3600 and var seconds ? seconds : HeartbeatSeconds;
        if (answer.Stopped)
        {
            _stopped();
        }
    }

    /// <summary>The server takes less than we thought (HTTP 413): halves, down to a single line, in whose place goes what tells that it stays here.</summary>
    private async Task PostSmallerAsync(StreamBatch batch, CancellationToken cancel)
    {
        var parts = batch.Halves();
        if (parts.Count == 0)
        {
            _notice($"the server finds a line of about {batch.Bytes} bytes too large (HTTP 413); it stays in the journal. Log large data as an artifact");
            // The line's number is taken, so the lines behind it keep theirs.
            parts = batch.Emptied() ?? throw new TrackingException(TrackingFault.TooLarge, "the server finds even an empty line too large (HTTP 413)");
        }

        foreach (var part in parts)
        {
            await PostAsync(part, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// A run that came back to a mark and ended before it reached its former length: the rows on the server beyond its end keep their step and time alone.
    /// </summary>
    private async Task EmptySupersededAsync(CancellationToken cancel)
    {
        SortedDictionary<long, StreamLine> beyond = [];
        if (_state.Sent.Rows < _state.Reached)
        {
            RunReplay.Read(_folder.Journal, line =>
            {
                if (line.Kind is StreamKind.History && line.Number >= _state.Sent.Rows && line.Number < _state.Reached)
                {
                    beyond[line.Number] = line;
                }
            });
        }

        foreach (var line in beyond.Values)
        {
            var batch = new StreamBatch();
            TryAdd(batch, line.With(StreamBatch.WithoutValues(line.Members)));
            await PostAsync(batch, cancel).ConfigureAwait(false);
        }
    }

    private bool HasLine(StreamKind stream, long number, double time)
    {
        var found = false;
        foreach (var open in RunReplay.Read(_folder.Journal, Look).CloseRow())
        {
            Look(open);
        }

        return found;

        void Look(StreamLine line) => found = found || (line.Kind == stream && line.Number == number && RunConnector.TimeOf(line) == time);
    }

    /// <summary>
    /// The session that wrote the line. A session whose own line is damaged is told only by its place, which stands behind its first lines:
    /// those came as the session's before it, and their numbers say better.
    /// </summary>
    private static int SessionOf(StreamLine line, IReadOnlyList<ReplaySession> sessions)
    {
        var session = line.Session;
        while (session + 1 < sessions.Count && sessions[session + 1].Start.First[line.Kind] <= line.Number)
        {
            session++;
        }

        return session;
    }

    /// <summary>The line's text on the server: steps and times stand behind those of a run that is resumed.</summary>
    private static string TextOf(StreamLine line, SessionBase place) => line.Kind switch
    {
        StreamKind.Output => OutputOf(line.Output!),
        _ when (place.Step == 0 || line.HasOwnStep) && place.RuntimeSeconds == 0 => line.Json,
        _ => JsonMembers.Join(line.Members.Select(member => member.Key switch
        {
            "_step" when !line.HasOwnStep =>
                new(member.Key, (long.Parse(member.Value, CultureInfo.InvariantCulture) + place.Step).ToString(CultureInfo.InvariantCulture)),
            "_runtime" =>
                new(member.Key, (double.Parse(member.Value, CultureInfo.InvariantCulture) + place.RuntimeSeconds).ToString("R", CultureInfo.InvariantCulture)),
            _ => member,
        })),
    };

    /// <summary>"ISO time text", standard error with "ERROR " before it; UTC.</summary>
    private static string OutputOf(OutputLine line)
        => $"{(line.IsError ? "ERROR " : "")}{line.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff", CultureInfo.InvariantCulture)} {line.Text}";
}
