using System.Text.Json.Nodes;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>What an upload did, for the summary of a sync and the card of a run.</summary>
internal sealed record UploadCounts(long Rows, long Events, long OutputLines, int Files, int Artifacts);

/// <summary>
/// Brings the server up to the journal: lines in order and with their numbers, then configuration, artifacts and files, then the end. Works from any state:
/// what was sent before is passed over, what was sent and not confirmed is sent again with the same numbers. The background sender and sync are two callers of
/// it. An uploader whose call threw is spent: a new one begins again at the journal's first line.
/// </summary>
internal sealed class RunUploader : IDisposable
{
    private readonly RunFolder _folder;
    private readonly WandbApi _api;
    private readonly UploadHooks _hooks;
    private readonly JournalReader _reader;
    private readonly RunReplay _replay = new();
    private readonly Queue<StreamLine> _waiting = new();
    private readonly SyncState _state;
    private RunConnection? _connection;
    private RunReplay _survey = new();
    private string _runId;
    private bool _gzip;
    private int _placed;
    private long _sentSummary;
    private string _sentConfig = "";
    private readonly Lock _countsLock = new();
    private UploadCounts _counts = new(0, 0, 0, 0, 0);

    /// <summary>Opens the journal; nothing is sent.</summary>
    /// <exception cref="IOException">The journal cannot be read.</exception>
    public RunUploader(RunFolder folder, WandbApi api, UploadHooks hooks)
    {
        (_folder, _api, _hooks) = (folder, api, hooks);
        _reader = new JournalReader(folder.Journal);
        _runId = folder.RunId;
        _state = SyncState.Load(folder.State, api.BaseUrl);
    }

    public SyncState State => _state;

    public UploadCounts Counts => _counts;

    /// <summary>How often the server wants to hear from us.</summary>
    public double HeartbeatSeconds { get; private set; } = 30;

    /// <summary>The run's page, once connected.</summary>
    public string? Link => _connection is { Bucket: var bucket }
        ? WandbApi.RunLink(_api.BaseUrl, bucket.Entity, bucket.Project, _runId)
        : null;

    /// <summary>Agrees with the server on the run and its lines' places.</summary>
    /// <param name="isFresh">A new run with a new random id: the server cannot know it.</param>
    /// <param name="gzip">Whether bodies are compressed if the server offers it.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="TrackingException">Refused.</exception>
    /// <exception cref="TransientException">The server could not be reached.</exception>
    public async Task ConnectAsync(bool isFresh, bool gzip, CancellationToken cancel)
    {
        _survey = RunReplay.Read(_folder.Journal);
        var connector = new RunConnector(_api, _survey, _state, HasLine, _hooks.WriteBase);
        _connection = await connector.ConnectAsync(!isFresh, cancel).ConfigureAwait(false);
        _state.SetReturned(_survey.Returns);
        (_runId, _sentConfig) = (_survey.Header!.RunId, _connection.Config);
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
            var before = (History: _state.Sent(StreamKind.History), Events: _state.Sent(StreamKind.Events), Output: _state.Sent(StreamKind.Output));
            var sent = before;
            var isFull = !Fill(batch, ref sent, isLast);
            var summary = _replay.Summary.Version;
            isFull = isFull || (summary != _sentSummary && !TrySetSummary(batch));
            if (!batch.IsEmpty)
            {
                await PostAsync(batch, cancel).ConfigureAwait(false);
                _state.SetSent(sent.History, sent.Events, sent.Output);
                Count(counts => counts with
                {
                    Rows = counts.Rows + sent.History - before.History,
                    Events = counts.Events + sent.Events - before.Events,
                    OutputLines = counts.OutputLines + sent.Output - before.Output,
                });
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
        var config = WandbConfig.ToJson(_replay);
        if (config != _sentConfig && _connection is { Bucket: var bucket })
        {
            var variables = new JsonObject { ["name"] = _runId, ["entity"] = bucket.Entity, ["project"] = bucket.Project, ["config"] = config };
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
        var uploader = new ArtifactUploader(_api, _folder, _connection!.Bucket, _runId);
        foreach (var artifact in artifacts)
        {
            try
            {
                if (!ArtifactStaging.IsSent(_folder, artifact, _api.BaseUrl))
                {
                    await uploader.UploadAsync(artifact, cancel).ConfigureAwait(false);
                    ArtifactStaging.SetSent(_folder, artifact, _api.BaseUrl);
                    Count(counts => counts with { Artifacts = counts.Artifacts + 1 });
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
        var files = new FileUploader(_api, _folder, _connection!.Bucket, _runId, _state);
        var uploaded = await files.UploadAsync(failed, cancel).ConfigureAwait(false);
        Count(counts => counts with { Files = counts.Files + uploaded.Count });
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
    private bool Fill(StreamBatch batch, ref (long History, long Events, long Output) sent, bool isLast)
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

                if (line.Number >= _state.Sent(line.Kind) && !TryAdd(batch, line))
                {
                    return false;
                }

                sent = line.Kind switch
                {
                    StreamKind.History => sent with { History = Math.Max(sent.History, line.Number + 1) },
                    StreamKind.Events => sent with { Events = Math.Max(sent.Events, line.Number + 1) },
                    _ => sent with { Output = Math.Max(sent.Output, line.Number + 1) },
                };
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
        for (; _placed < Math.Min(_replay.Sessions.Count, _connection!.Bases.Count); _placed++)
        {
            _replay.SetBase(_placed, _connection.Bases[_placed]);
        }
    }

    private bool TryAdd(StreamBatch batch, StreamLine line)
    {
        var number = WireLine.Session(line, _survey.Sessions);
        var session = _survey.Sessions[number];
        var place = session.Base ?? throw new InvalidOperationException($"session {number} has no place on the server");
        return batch.TryAdd(line.Kind, WireLine.Offset(line, session, place), WireLine.Text(line, place));
    }

    private bool TrySetSummary(StreamBatch batch)
    {
        var place = _replay.Sessions[^1].Base!;
        var text = _replay.Summary.ToJson(_replay.HasOwnSteps ? 0 : place.Step, place.RuntimeSeconds);
        if (!WireLimits.Fits(text))
        {
            _hooks.Notice($"the summary has {text.Length} characters, more than a request holds; it is not sent. Log large values as tables or artifacts");
            return true;
        }

        return batch.TrySetSummary(text);
    }

    private async Task PostAsync(StreamBatch batch, CancellationToken cancel, IReadOnlyList<string>? uploaded = null, int? exitCode = null)
    {
        var bucket = _connection!.Bucket;
        var answer = await _api.FileStreamAsync(bucket.Entity, bucket.Project, _runId, batch.ToBody(uploaded, exitCode), _gzip, cancel).ConfigureAwait(false);
        if (answer is null)
        {
            await PostSmallerAsync(batch, cancel).ConfigureAwait(false);
            return;
        }

        HeartbeatSeconds = answer.HeartbeatSeconds is >= 1 and <= 3600 and var seconds ? seconds : HeartbeatSeconds;
        if (answer.Stopped)
        {
            _hooks.Stopped();
        }
    }

    /// <summary>The server takes less than we thought (HTTP 413): halves, down to a single line, in whose place goes what tells that it stays here.</summary>
    private async Task PostSmallerAsync(StreamBatch batch, CancellationToken cancel)
    {
        var parts = batch.Halves();
        if (parts.Count == 0)
        {
            _hooks.Notice($"the server finds a line of about {batch.Bytes} bytes too large (HTTP 413); it stays in the journal. Log large data as an artifact");
            // The line's number is taken, so the lines behind it keep theirs.
            parts = batch.Emptied() ?? throw new TrackingException(TrackingFault.TooLarge, "the server finds even an empty line too large (HTTP 413)");
        }

        foreach (var part in parts)
        {
            await PostAsync(part, cancel).ConfigureAwait(false);
        }
    }

    private void Count(Func<UploadCounts, UploadCounts> change)
    {
        lock (_countsLock)
        {
            _counts = change(_counts);
        }
    }

    /// <summary>
    /// A run that came back to a mark and ended before it reached its former length: the rows on the server beyond its end keep their step and time alone.
    /// </summary>
    private async Task EmptySupersededAsync(CancellationToken cancel)
    {
        SortedDictionary<long, StreamLine> beyond = [];
        if (_state.Sent(StreamKind.History) < _state.Reached)
        {
            RunReplay.Read(_folder.Journal, line =>
            {
                if (line.Kind is StreamKind.History && line.Number >= _state.Sent(StreamKind.History) && line.Number < _state.Reached)
                {
                    beyond[line.Number] = line;
                }
            });
        }

        foreach (var line in beyond.Values)
        {
            var batch = new StreamBatch();
            TryAdd(batch, line with { Json = StreamBatch.WithoutValues(line.Json) });
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

        void Look(StreamLine line) => found = found || (line.Kind == stream && line.Number == number && RunConnector.TimeOf(line.Json) == time);
    }
}

/// <summary>What the uploader tells its surroundings.</summary>
/// <param name="WriteBase">Writes a session's place to the journal.</param>
/// <param name="Notice">Says something to the user.</param>
/// <param name="Stopped">Somebody pressed the stop button.</param>
internal sealed record UploadHooks(Action<int, SessionBase> WriteBase, Action<string> Notice, Action Stopped);
