using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// Follows a journal and brings the W&amp;B server up to it, in the background. The journal is the queue: nothing is held in memory, nothing can overflow, and
/// logging a row does not touch this class. An outage is waited out; a refusal leaves the run offline, for sync to finish later.
/// </summary>
internal sealed class RunSender : IAsyncDisposable
{
    private static readonly TimeSpan OutagePause = TimeSpan.FromMinutes(1);

    private readonly RunJournal _journal;
    private readonly TrackingSettings _settings;
    private readonly TimeProvider _clock;
    private readonly bool _isFresh;
    private readonly WandbApi _api;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _stopRequested = new();
    private readonly TaskCompletionSource _finish = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _work;
    private readonly HashSet<string> _failedArtifacts = [];
    private Task _stopping = Task.CompletedTask;
    private bool _saidOutage;

    /// <summary>Begins to follow.</summary>
    /// <param name="journal">The run's journal, with header and configuration.</param>
    /// <param name="settings">The key, the server, the intervals.</param>
    /// <param name="isFresh">A new run with a new random id.</param>
    /// <param name="clock">Waits.</param>
    public RunSender(RunJournal journal, TrackingSettings settings, bool isFresh, TimeProvider clock)
    {
        (_journal, _settings, _isFresh, _clock) = (journal, settings, isFresh, clock);
        _api = new WandbApi(settings, clock, SayOutage);
        _work = Task.Run(WorkAsync);
    }

    /// <summary>The run's page, once the server has answered.</summary>
    public string? Link { get; private set; }

    /// <summary>The run's name, once the server has answered.</summary>
    public string? RunName { get; private set; }

    /// <summary>Rows that the server has confirmed.</summary>
    public long RowsSent { get; private set; }

    /// <summary>Why the run is offline, or null.</summary>
    public string? OfflineReason { get; private set; }

    /// <summary>Cancelled when somebody presses the stop button on the run's page.</summary>
    public CancellationToken StopRequested => _stopRequested.Token;

    /// <summary>Sends the rest and ends the run on the server; waits for that.</summary>
    /// <param name="cancel">Stops waiting; what is missing is left to sync.</param>
    public async ValueTask FinishAsync(CancellationToken cancel)
    {
        _finish.TrySetResult();
        var seconds = Link is null ? Math.Min(_settings.FinishSeconds, _settings.FirstAnswerSeconds) : _settings.FinishSeconds;
        while (!_work.IsCompleted)
        {
            var before = _api.Progress;
            try
            {
                await _work.WaitAsync(TimeSpan.FromSeconds(seconds), _clock, cancel).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                GoOffline("the upload was given up");
                return;
            }
            catch (TimeoutException) when (_api.Progress == before)
            {
                GoOffline(Invariant($"the server took nothing for {seconds} s"));
                return;
            }
            catch (TimeoutException)
            {
                // A large model takes its time: as long as bytes go out, they are waited for.
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _stopping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _api.Dispose();
        _stop.Dispose();
        _stopRequested.Dispose();
    }

    private async Task WorkAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await SendAsync(_stop.Token).ConfigureAwait(false);
                return;
            }
            catch (TransientException fault)
            {
                SayOutage(fault.Message, OutagePause);
                await Task.Delay(OutagePause, _clock, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                return;
            }
#pragma warning disable CA1031 // Whatever the sender meets, the training is worth more: the rows are in the journal.
            catch (Exception fault)
#pragma warning restore CA1031
            {
                GoOffline(fault.Message);
                return;
            }
        }
    }

    private async Task SendAsync(CancellationToken cancel)
    {
        using var uploader = new RunUploader(_journal.Folder, _api, WriteBase, _settings.Notice, RequestStop);
        await uploader.ConnectAsync(_isFresh && uploader.State.StorageId is null, _settings.Gzip, cancel).ConfigureAwait(false);
        Announce(uploader);
        var artifacts = Task.CompletedTask;
        var lastRequest = _clock.GetTimestamp();
        while (!_finish.Task.IsCompleted)
        {
            // A pause that was cut short would otherwise be followed by the next, and the next.
            cancel.ThrowIfCancellationRequested();
            var hasSent = await uploader.PumpAsync(isLast: false, cancel).ConfigureAwait(false);
            RowsSent = uploader.State.Sent.Rows;
            if (!hasSent && _clock.GetElapsedTime(lastRequest).TotalSeconds >= uploader.HeartbeatSeconds)
            {
                await uploader.HeartbeatAsync(cancel).ConfigureAwait(false);
                hasSent = true;
            }

            lastRequest = hasSent ? _clock.GetTimestamp() : lastRequest;
            await uploader.UpdateConfigAsync(cancel).ConfigureAwait(false);
            artifacts = artifacts.IsCompleted ? UploadArtifactsAsync(uploader, cancel) : artifacts;
            await PauseAsync(TimeSpan.FromSeconds(_settings.SendSeconds)).ConfigureAwait(false);
        }

        await uploader.PumpAsync(isLast: true, cancel).ConfigureAwait(false);
        RowsSent = uploader.State.Sent.Rows;
        await BeatWhileAsync(artifacts, uploader, cancel).ConfigureAwait(false);
        await BeatWhileAsync(UploadArtifactsAsync(uploader, cancel), uploader, cancel).ConfigureAwait(false);
        foreach (var failure in await uploader.FinishAsync(cancel).ConfigureAwait(false))
        {
            _settings.Notice(failure);
        }

        RowsSent = uploader.State.Sent.Rows;
    }

    /// <summary>Large models take minutes; the rows, and the signs of life, go on meanwhile.</summary>
    private async Task UploadArtifactsAsync(RunUploader uploader, CancellationToken cancel)
    {
        foreach (var artifact in uploader.PendingArtifacts.Where(artifact => !_failedArtifacts.Contains(artifact.ClientId)))
        {
            foreach (var failure in await TryUploadAsync(uploader, artifact, cancel).ConfigureAwait(false))
            {
                _settings.Notice(failure);
            }

            // One that failed is tried once more at the end of the run, not at every turn.
            if (!uploader.State.HasArtifact(artifact.ClientId))
            {
                _failedArtifacts.Add(artifact.ClientId);
            }
        }
    }

    /// <summary>
    /// Uploads one artifact. A server that stays away from it for all tries of a call is a failure like any other: the artifacts behind it get their turn.
    /// </summary>
    private async Task<IReadOnlyList<string>> TryUploadAsync(RunUploader uploader, ArtifactRequest artifact, CancellationToken cancel)
    {
        try
        {
            return await uploader.UploadArtifactsAsync([artifact], cancel).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Nobody looks at this task before the run ends: what is not said here is not said at all.
        catch (Exception fault) when (!cancel.IsCancellationRequested)
#pragma warning restore CA1031
        {
            return [_settings.Key!.RemoveFrom($"artifact \"{artifact.Name}\": {fault.Message}; it is tried once more at the end of the run")];
        }
    }

    private async Task BeatWhileAsync(Task artifacts, RunUploader uploader, CancellationToken cancel)
    {
        while (await Task.WhenAny(artifacts, Task.Delay(TimeSpan.FromSeconds(uploader.HeartbeatSeconds), _clock, cancel)).ConfigureAwait(false) != artifacts)
        {
            await uploader.HeartbeatAsync(cancel).ConfigureAwait(false);
        }

        await artifacts.ConfigureAwait(false);
    }

    /// <summary>Waits, but not beyond the end of the run.</summary>
    private Task PauseAsync(TimeSpan pause) => Task.WhenAny(_finish.Task, Task.Delay(pause, _clock, _stop.Token));

    private void WriteBase(int session, SessionBase place) => _journal.Append(JournalKind.Base, session, place);

    private void RequestStop()
    {
        if (!_stopRequested.IsCancellationRequested)
        {
            _settings.Notice("stop requested on the run's page");
            // Not on this thread: what the training does then is not the sender's business.
            _stopping = _stopRequested.CancelAsync();
        }
    }

    private void Announce(RunUploader uploader)
    {
        RunName = uploader.State.RunName;
        if (Link is null)
        {
            Link = uploader.Link;
            _settings.Notice($"run {RunName ?? _journal.Header.RunId}: {Link}");
        }
    }

    private void SayOutage(string reason, TimeSpan wait)
    {
        if (!_saidOutage)
        {
            _saidOutage = true;
            _settings.Notice($"{_settings.BaseUrl}: {reason}; trying again. Training goes on, rows are kept in {_journal.Folder.FullPath}");
        }
    }

    private void GoOffline(string reason)
    {
        OfflineReason = _settings.Key!.RemoveFrom(reason);
        _settings.Notice($"{OfflineReason}. Training goes on offline; rows are kept in {_journal.Folder.FullPath}, sync uploads them later");
    }
}
