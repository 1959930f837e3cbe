using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// A run and everything that tracks it: the journal, the server, further trackers. Start it before the training, finish it after; in between its calls cost
/// microseconds.
/// </summary>
public sealed class TrackedRun : ITracker
{
    /// <summary>The exit code of a run that somebody stopped, by hand or by the button on its page, as W&amp;B's client gives it.</summary>
    internal const int Stopped = 255;

    // A notebook's cell that starts a run may be run again while the run of its last time is still open.
    private static readonly ConcurrentDictionary<string, TrackedRun> OpenRuns = new(StringComparer.Ordinal);

    private readonly TrackingSettings _settings;
    private readonly TimeProvider _clock;
    private readonly ITracker[] _also;
    private FanOutTracker _trackers;
    private RunJournal? _journal;
    private WandbTracker? _wandb;
    private RunHousekeeper? _housekeeper;
    private ITimer? _sampler;
    private ConsoleTee? _console;
    private int _exitCode;
    private int _finished;
    private int _disposed;

    private TrackedRun(TrackingSettings settings, TimeProvider clock, IEnumerable<ITracker> also, RunJournal? journal, bool isFresh)
    {
        (_settings, _clock, _also) = (settings, clock, [.. also]);
        Open(journal, isFresh);
    }

    /// <summary>The run's id; empty when disabled.</summary>
    public string RunId => _journal?.Header.RunId ?? "";

    /// <summary>The run's folder; null when disabled.</summary>
    public string? Folder => _journal?.Folder.FullPath;

    /// <summary>Cancelled when somebody presses the stop button on the run's page: training should end with a checkpoint.</summary>
    public CancellationToken StopRequested => _wandb?.StopRequested ?? CancellationToken.None;

    /// <summary>Which models should become artifacts.</summary>
    public LogModel LogModel => _settings.LogModel;

    /// <summary>The name that the Hugging Face integration gives a run's model: "model-" and the run's name, else its id.</summary>
    public string ModelName => ArtifactStaging.SafeName("model-" + (_journal?.Header.Name ?? RunId));

    /// <summary>The name that the Hugging Face integration gives a run's checkpoints.</summary>
    public string CheckpointName => ArtifactStaging.SafeName("checkpoint-" + (_journal?.Header.Name ?? RunId));

    /// <summary>Starts a run, or continues one of this folder when the settings name its id and allow it.</summary>
    /// <param name="settings">Mode, names, intervals; default: the environment's.</param>
    /// <param name="config">The first configuration values.</param>
    /// <param name="clock">Times and waits; default: the system's.</param>
    /// <param name="also">Further trackers, for example a <see cref="ConsoleTracker"/>; they are disposed with the run.</param>
    /// <exception cref="ArgumentException">The settings contradict each other (all faults are named), or a configuration value cannot be logged.</exception>
    /// <exception cref="IOException">The folder cannot be written, or another process writes the same run.</exception>
    public static TrackedRun Start(
        TrackingSettings? settings = null, IReadOnlyDictionary<string, object?>? config = null, TimeProvider? clock = null, IEnumerable<ITracker>? also = null)
        => Start(settings ?? TrackingEnvironment.Read(), config, clock ?? TimeProvider.System, also ?? [], output: null, kept: null);

    private static TrackedRun Start(
        TrackingSettings given, IReadOnlyDictionary<string, object?>? config, TimeProvider time, IEnumerable<ITracker> also, string? output, RunFolder? kept)
    {
        if (given.Validate() is { Count: > 0 } faults)
        {
            throw new ArgumentException("tracking settings: " + string.Join("; ", faults));
        }

        if (given.ResolvedMode is TrackingMode.Disabled)
        {
            return new TrackedRun(given, time, also, null, isFresh: false);
        }

        var runId = kept?.RunId ?? given.RunId ?? Tracking.RunId.New();
        var continues = given.RunId is not null && given.Resume is ResumeMode.Allow or ResumeMode.Must;
        var folder = kept ?? (continues ? RunFolder.Find(given.Directory, runId) : null)
            ?? RunFolder.Create(given.Directory, runId, time.GetUtcNow(), given.ResolvedMode is TrackingMode.Online);
        if (output is not null)
        {
            RunFolder.SetOfOutput(output, folder);
        }

        var journal = new RunJournal(folder, Header(given, runId, time.GetUtcNow()), time, given.Secrets);
        try
        {
            if (config is not null)
            {
                journal.AppendValues(JournalKind.Config, config);
            }

            SayOffline(given, folder);
            return new TrackedRun(given, time, also, journal, isFresh: kept is null && given.RunId is null);
        }
        catch
        {
            // Who corrects the mistake and starts again must find the folder free.
            journal.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Starts a run as a notebook does: one word says where it goes, the environment says the rest (<see cref="TrackingEnvironment.ForNotebook"/>). An output
    /// folder has one run: one that was stopped, killed or failed there goes on under its id, and a training that goes on from a checkpoint
    /// (<see cref="TrackingObserver"/>) continues its rows where that stood.
    /// </summary>
    /// <inheritdoc cref="TrackingEnvironment.ForNotebook"/>
    /// <param name="tracking">"auto" (online when there is an API key, else offline), "online", "offline" or "disabled".</param>
    /// <param name="outputFolder">The notebook's output folder; the run's folder is made in it, below <c>wandb/</c>.</param>
    /// <param name="name">The run's name in charts, for example the notebook's; null: the server makes one up.</param>
    /// <param name="project">The project.</param>
    /// <param name="config">The first configuration values, for example the notebook's parameters.</param>
    /// <param name="clock">Times and waits; default: the system's.</param>
    /// <param name="resume">Whether the output folder's last run goes on, or a new one begins; null: it goes on unless it ended well.</param>
    /// <returns>The started run. End it with <see cref="FinishAsync"/>.</returns>
    /// <exception cref="ArgumentException">The word or a variable means nothing, or "online" finds no key; all faults are named. Or a configuration value
    /// cannot be logged.</exception>
    /// <exception cref="IOException">The folder cannot be written, or another process writes the same run.</exception>
    public static TrackedRun Start(
        string tracking, string outputFolder, string? name = null, string project = TrackingEnvironment.NotebookProject,
        IReadOnlyDictionary<string, object?>? config = null, TimeProvider? clock = null, bool? resume = null)
        => StartIn(outputFolder, TrackingEnvironment.ForNotebook(tracking, outputFolder, name, project), config, clock, resume);

    /// <inheritdoc cref="Start(string, string, string?, string, IReadOnlyDictionary{string, object?}?, TimeProvider?, bool?)"/>
    internal static TrackedRun StartIn(
        string outputFolder, TrackingSettings settings, IReadOnlyDictionary<string, object?>? config = null, TimeProvider? clock = null, bool? resume = null)
    {
        var output = Path.GetFullPath(outputFolder);
        if (OpenRuns.TryRemove(output, out var open))
        {
            open.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        var kept = settings.ResolvedMode is TrackingMode.Disabled ? null : RunFolder.OfOutput(output);
        // WANDB_RUN_ID may name another one.
        var goesOn = kept is not null && (settings.RunId ?? kept.RunId) == kept.RunId && (resume ?? RunReplay.Read(kept.Journal).Exit is not { Code: 0 });
        return OpenRuns[output] = Start(settings, config, clock ?? TimeProvider.System, [], output, goesOn ? kept : null);
    }

    /// <summary>How the tracking stands now.</summary>
    public TrackingStatus Status()
    {
        var mode = _wandb?.OfflineReason is null ? _settings.ResolvedMode : TrackingMode.Offline;
        return new TrackingStatus(
            _wandb?.RunName ?? _journal?.Header.Name ?? RunId, RunId, mode, _wandb?.Link, Folder, _journal?.Rows ?? 0, _wandb?.RowsSent ?? 0,
            _wandb?.OfflineReason);
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void Log(IReadOnlyDictionary<string, object?> row, long? atStep = null) => _trackers.Log(row, atStep);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void LogConfig(IReadOnlyDictionary<string, object?> values) => _trackers.LogConfig(values);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void DefineMetric(string name, string? stepMetric = null, bool stepSync = false) => _trackers.DefineMetric(name, stepMetric, stepSync);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void SetSummary(IReadOnlyDictionary<string, object?> values) => _trackers.SetSummary(values);

    /// <inheritdoc/>
    public void LogOutput(string line, bool isError = false) => _trackers.LogOutput(line, isError);

    /// <inheritdoc/>
    public void SaveFile(string path, string? name = null) => _trackers.SaveFile(path, name);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void LogArtifact(TrackedArtifact artifact) => _trackers.LogArtifact(artifact);

    /// <summary>Ends the run after an exception: its text becomes console output, the exit code is 1.</summary>
    /// <param name="fault">Why.</param>
    /// <param name="cancel">Stops waiting; what is missing is left to sync.</param>
    public ValueTask FailAsync(Exception fault, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(fault);
        foreach (var line in fault.ToString().Split('\n'))
        {
            LogOutput(line.TrimEnd('\r'), isError: true);
        }

        return FinishAsync(1, cancel);
    }

    /// <summary>Ends the run: keeps what the runner has of the notebook so far, sends the rest, tells the server. A second call does nothing.</summary>
    /// <param name="exitCode">0: it succeeded. A run that the stop button ended gets 255, as W&amp;B's client gives it, unless something else is said.</param>
    /// <param name="cancel">Stops waiting; what is missing is left to sync.</param>
    public async ValueTask FinishAsync(int exitCode = 0, CancellationToken cancel = default)
    {
        if (Interlocked.Exchange(ref _finished, 1) == 1)
        {
            return;
        }

        _exitCode = exitCode = exitCode == 0 && StopRequested.IsCancellationRequested ? Stopped : exitCode;
        NotebookFiles.Save(this, _settings.Notice);
        _console?.Dispose();
        if (_sampler is not null)
        {
            await _sampler.DisposeAsync().ConfigureAwait(false);
        }

        await _trackers.FinishAsync(exitCode, cancel).ConfigureAwait(false);
        _housekeeper?.Complete();
    }

    /// <summary>Releases the folder. A run that was not finished looks like one that was killed: sync closes it with exit code 1.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1)
        {
            return;
        }

        foreach (var place in OpenRuns.Where(place => place.Value == this))
        {
            OpenRuns.TryRemove(place);
        }

        _console?.Dispose();
        if (_sampler is not null)
        {
            await _sampler.DisposeAsync().ConfigureAwait(false);
        }

        _housekeeper?.Dispose();
        await _trackers.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Notes that a checkpoint keeps the training's state of now.</summary>
    internal void Mark(string name) => _trackers.Keep(() => _journal?.Mark(name));

    /// <summary>Comes back to a mark: rows behind it count no more, those that follow take their places.</summary>
    /// <param name="name">The mark.</param>
    /// <param name="isEarlier">Whether only a mark of an earlier process counts.</param>
    /// <returns>False when there is no such mark.</returns>
    internal bool ReturnTo(string name, bool isEarlier)
    {
        var found = false;
        _trackers.Keep(() => found = _journal?.TryReturnTo(name, isEarlier) ?? false);
        return found;
    }

    /// <summary>
    /// Opens the run again where a stop or a failure ended it: its training goes on in the same process, as when a notebook's cell is run again.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be written; the run stays ended.</exception>
    internal void GoOn()
    {
        if (_journal is not { } ended || _disposed == 1 || _finished == 0 || _exitCode == 0)
        {
            return;
        }

        _housekeeper?.Dispose();
        _wandb?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        ended.Dispose();
        Open(new RunJournal(ended.Folder, Header(_settings, ended.Header.RunId, _clock.GetUtcNow()), _clock, _settings.Secrets), isFresh: false);
        Interlocked.Exchange(ref _finished, 0);
    }

    [MemberNotNull(nameof(_trackers))]
    private void Open(RunJournal? journal, bool isFresh)
    {
        (_journal, _wandb, _housekeeper, _sampler, _console) = (journal, null, null, null, null);
        List<ITracker> trackers = [];
        try
        {
            if (journal is not null)
            {
                trackers.Add(new JournalTracker(journal, _settings.Secrets, _settings.Notice));
                _housekeeper = new RunHousekeeper(journal, _clock, _settings.Notice);
                _wandb = _settings.ResolvedMode is TrackingMode.Online ? new WandbTracker(journal, _settings, isFresh, _clock) : null;
                trackers.AddRange(_wandb is null ? [] : [_wandb]);
            }

            trackers.AddRange(_also);
            _trackers = new FanOutTracker(trackers, _settings.Notice);
            if (journal is not null)
            {
                _sampler = StartSampling(journal, _clock);
                _console = _settings.CaptureConsole ? new ConsoleTee((line, isError) => LogOutput(line, isError)) : null;
            }
        }
        catch
        {
            // The journal is closed by who opened it; until then nobody may write to it or read it any more.
            _sampler?.Dispose();
            _housekeeper?.Dispose();
            _wandb?.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    private ITimer? StartSampling(RunJournal journal, TimeProvider clock)
    {
        if (_settings.SystemMetricsSeconds == 0)
        {
            return null;
        }

        var metrics = new SystemMetrics(journal.Folder.FullPath, clock);
        return clock.CreateTimer(_ => Sample(metrics, journal), null, TimeSpan.Zero, TimeSpan.FromSeconds(_settings.SystemMetricsSeconds));
    }

    private void Sample(SystemMetrics metrics, RunJournal journal)
    {
        // A sample that takes longer than the interval (nvidia-smi) is not overtaken.
        if (!Monitor.TryEnter(metrics))
        {
            return;
        }

        try
        {
            journal.AppendEvent(metrics.Sample());
        }
#pragma warning disable CA1031 // On a timer's thread an exception would end the process.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            _sampler?.Dispose();
            _settings.Notice($"system metrics end: {fault.Message}");
        }
        finally
        {
            Monitor.Exit(metrics);
        }
    }

    private static RunHeader Header(TrackingSettings settings, string runId, DateTimeOffset now)
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
            Program = MachineFacts.Program(),
            StartedAt = now,
            WriterId = writerId,
            Environment = MachineFacts.Collect(now, writerId),
        };
    }

    private static void SayOffline(TrackingSettings settings, RunFolder folder)
    {
        if (settings.ResolvedMode is TrackingMode.Offline)
        {
            var reason = settings.Mode is TrackingMode.Offline ? "offline" : "offline, because no API key was found (WANDB_API_KEY, netrc)";
            settings.Notice($"run {folder.RunId} is {reason}; rows are kept in {folder.FullPath}, sync uploads them");
        }
    }
}
