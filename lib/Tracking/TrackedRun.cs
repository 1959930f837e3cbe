using System.Collections.Concurrent;
using NotebookLib.Tracking.TransactionLog;

namespace NotebookLib.Tracking;

/// <summary>How a run's tracking stands; the card in Display shows it.</summary>
/// <param name="RunName">The run's name, or its id when it has none.</param>
/// <param name="RunId">The run's id.</param>
/// <param name="Mode">Where rows go now: a run that the server refused is offline.</param>
/// <param name="Link">The run's page; null when there is none.</param>
/// <param name="Folder">The run's folder; null when disabled.</param>
/// <param name="RowsKept">Rows in the journal.</param>
/// <param name="RowsSent">Rows that the server has confirmed.</param>
/// <param name="Remark">Why the run is offline, or null.</param>
internal sealed record TrackingStatus(
    string RunName, string RunId, TrackingMode Mode, string? Link, string? Folder, long RowsKept, long RowsSent, string? Remark);

/// <summary>
/// A run that is tracked: everything it has to say goes to its journal first, from where, when online, a sender brings it to the server. Start it before the
/// training, finish it after; in between its calls cost microseconds, and none waits for a network.
/// </summary>
/// <remarks>
/// A full disk, or a file that cannot be read, is said once and does not disturb the training. What cannot be logged at all is the caller's mistake and is
/// thrown.
/// </remarks>
public sealed class TrackedRun : IAsyncDisposable
{
    /// <summary>The exit code of a run that somebody stopped, by hand or by the button on its page, as W&amp;B's client gives it.</summary>
    internal const int Stopped = 255;

    // A notebook's cell that starts a run may be run again while the run of its last time is still open.
    private static readonly ConcurrentDictionary<string, TrackedRun> OpenRuns = new(StringComparer.Ordinal);

    private readonly TrackingSettings _settings;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, bool> _said = new(StringComparer.Ordinal);
    private RunJournal? _journal;
    private RunSender? _sender;
    private ITimer? _sampler;
    private ConsoleTee? _console;
    private int _exitCode;
    private int _finished;
    private int _disposed;

    private TrackedRun(TrackingSettings settings, TimeProvider clock) => (_settings, _clock) = (settings, clock);

    /// <summary>The run's id; empty when disabled.</summary>
    public string RunId => _journal?.Header.RunId ?? "";

    /// <summary>The run's folder; null when disabled.</summary>
    public string? Folder => _journal?.Folder.FullPath;

    /// <summary>Cancelled when somebody presses the stop button on the run's page: training should end with a checkpoint.</summary>
    public CancellationToken StopRequested => _sender?.StopRequested ?? CancellationToken.None;

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
    /// <exception cref="ArgumentException">The settings contradict each other (all faults are named), or a configuration value cannot be logged.</exception>
    /// <exception cref="IOException">The folder cannot be written, or another process writes the same run.</exception>
    public static TrackedRun Start(TrackingSettings? settings = null, IReadOnlyDictionary<string, object?>? config = null, TimeProvider? clock = null)
        => Start(settings ?? TrackingEnvironment.Read(), config, clock ?? TimeProvider.System, output: null, kept: null);

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
    /// <exception cref="ArgumentException">
    /// The word or a variable means nothing, or "online" finds no key; all faults are named. Or a configuration value cannot be logged.
    /// </exception>
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
        return OpenRuns[output] = Start(settings, config, clock ?? TimeProvider.System, output, goesOn ? kept : null);
    }

    private static TrackedRun Start(
        TrackingSettings given, IReadOnlyDictionary<string, object?>? config, TimeProvider clock, string? output, RunFolder? kept)
    {
        if (given.Validate() is { Count: > 0 } faults)
        {
            throw new ArgumentException("tracking settings: " + string.Join("; ", faults));
        }

        var run = new TrackedRun(given, clock);
        if (given.ResolvedMode is TrackingMode.Disabled)
        {
            return run;
        }

        var runId = kept?.RunId ?? given.RunId ?? RunFolder.NewRunId();
        var continues = given.RunId is not null && given.Resume is ResumeMode.Allow or ResumeMode.Must;
        var folder = kept ?? (continues ? RunFolder.Find(given.Directory, runId) : null)
            ?? RunFolder.Create(given.Directory, runId, clock.GetUtcNow(), given.ResolvedMode is TrackingMode.Online);
        if (output is not null)
        {
            RunFolder.SetOfOutput(output, folder);
        }

        var journal = new RunJournal(folder, given, runId, clock);
        try
        {
            if (config is not null)
            {
                journal.LogConfig(config);
            }

            SayOffline(given, folder);
            run.Open(journal, isFresh: kept is null && given.RunId is null);
            return run;
        }
        catch
        {
            // Who corrects the mistake and starts again must find the folder free.
            journal.Dispose();
            throw;
        }
    }

    /// <summary>How the tracking stands now.</summary>
    internal TrackingStatus Status()
    {
        var mode = _sender?.OfflineReason is null ? _settings.ResolvedMode : TrackingMode.Offline;
        return new TrackingStatus(
            _sender?.RunName ?? _journal?.Header.Name ?? RunId, RunId, mode, _sender?.Link, Folder, _journal?.Rows ?? 0, _sender?.RowsSent ?? 0,
            _sender?.OfflineReason);
    }

    /// <summary>Logs a row of values.</summary>
    /// <param name="row">Keys as the user types them (dots, slashes, any script) and values: numbers, text, truth values, null, nested dictionaries and lists,
    /// <see cref="TrackedTable"/>, <see cref="PlotlyFigure"/>.</param>
    /// <param name="atStep">W&amp;B's step; null: the next one, and the row is complete. Rows of one explicit step are merged; steps only rise. In a run that
    /// is resumed elsewhere explicit steps count from the run's beginning, as with W&amp;B's client.</param>
    /// <exception cref="ArgumentException">A key or value cannot be logged; nothing was logged.</exception>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void Log(IReadOnlyDictionary<string, object?> row, long? atStep = null)
    {
        ArgumentNullException.ThrowIfNull(row);
        ArgumentOutOfRangeException.ThrowIfNegative(atStep ?? 0);
        Keep(journal => journal.Log(row, atStep));
    }

    /// <summary>Sets values of the configuration: settings, model, data.</summary>
    /// <param name="values">Keys and values; a key set before is replaced.</param>
    /// <exception cref="ArgumentException">A value cannot be logged.</exception>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void LogConfig(IReadOnlyDictionary<string, object?> values) => Keep(journal => journal.LogConfig(values));

    /// <summary>Says how a metric is drawn.</summary>
    /// <param name="name">A key, or a pattern with one * at its end.</param>
    /// <param name="stepMetric">The key of the horizontal axis, or null.</param>
    /// <param name="stepSync">Whether rows without the step metric take its last value.</param>
    /// <exception cref="ArgumentException">A * stands elsewhere.</exception>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void DefineMetric(string name, string? stepMetric = null, bool stepSync = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Keep(journal => journal.DefineMetric(name, stepMetric, stepSync));
    }

    /// <summary>Sets values of the summary, which rows then no longer change: for example the best score.</summary>
    /// <param name="values">Keys and values.</param>
    /// <exception cref="ArgumentException">A value cannot be logged.</exception>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    public void SetSummary(IReadOnlyDictionary<string, object?> values) => Keep(journal => journal.SetSummary(values));

    /// <summary>Logs console output; what comes after the end belongs to no run.</summary>
    /// <param name="line">One line, without its end.</param>
    /// <param name="isError">Whether it went to standard error.</param>
    public void LogOutput(string line, bool isError = false)
    {
        ArgumentNullException.ThrowIfNull(line);
        Keep(journal => journal.LogOutput(line, isError));
    }

    /// <summary>Adds a file to the run: the notebook, its page. One that cannot be read is said.</summary>
    /// <param name="path">The file; it is copied now.</param>
    /// <param name="name">Its name in the run; null: its own.</param>
    /// <exception cref="ArgumentException">The name leads out of the run's files.</exception>
    public void SaveFile(string path, string? name = null) => Keep(journal => RunFiles.Save(journal.Folder, path, name, _settings.Secrets));

    /// <summary>Adds an artifact: a model, a data set. Its files are staged now and uploaded in the background; one that cannot be read is said.</summary>
    /// <param name="artifact">What to upload.</param>
    /// <exception cref="ArgumentException">The name cannot be an artifact's.</exception>
    /// <exception cref="InvalidOperationException">The run is finished, and it is not a disabled one.</exception>
    internal void LogArtifact(TrackedArtifact artifact)
    {
        ArgumentNullException.ThrowIfNull(artifact);
        Keep(journal => journal.LogArtifact(artifact));
    }

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

    /// <summary>
    /// Ends the run: keeps what the runner has of the notebook so far, sends the rest, tells the server, writes W&amp;B's own log. A second call does nothing.
    /// </summary>
    /// <param name="exitCode">0: it succeeded. A run that the stop button ended gets 255, as W&amp;B's client gives it, unless something else is said.</param>
    /// <param name="cancel">Stops waiting; what is missing is left to sync.</param>
    public async ValueTask FinishAsync(int exitCode = 0, CancellationToken cancel = default)
    {
        if (Interlocked.Exchange(ref _finished, 1) == 1)
        {
            return;
        }

        _exitCode = exitCode == 0 && StopRequested.IsCancellationRequested ? Stopped : exitCode;
        Keep(journal => RunFiles.SaveNotebook(journal.Folder, _settings.Secrets));
        await EndSourcesAsync().ConfigureAwait(false);
        Keep(journal => journal.Finish(_exitCode));
        if (_sender is not null)
        {
            await _sender.FinishAsync(cancel).ConfigureAwait(false);
        }

        Keep(journal => TransactionLogFile.Write(journal.Folder));
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

        await EndSourcesAsync().ConfigureAwait(false);
        await CloseAsync().ConfigureAwait(false);
    }

    /// <summary>Notes that a checkpoint keeps the training's state of now.</summary>
    internal void Mark(string name) => Keep(journal => journal.Mark(name));

    /// <summary>Comes back to a mark: rows behind it count no more, those that follow take their places.</summary>
    /// <param name="name">The mark.</param>
    /// <param name="isEarlier">Whether only a mark of an earlier process counts.</param>
    /// <returns>False when there is no such mark.</returns>
    internal bool ReturnTo(string name, bool isEarlier)
    {
        var found = false;
        Keep(journal => found = journal.TryReturnTo(name, isEarlier));
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

        CloseAsync().AsTask().GetAwaiter().GetResult();
        Open(new RunJournal(ended.Folder, _settings, ended.Header.RunId, _clock), isFresh: false);
        Interlocked.Exchange(ref _finished, 0);
    }

    private void Open(RunJournal journal, bool isFresh)
    {
        _journal = journal;
        // One that an earlier session left says that the run has ended.
        Keep(kept => File.Delete(kept.Folder.TransactionLog));
        _sender = _settings.ResolvedMode is TrackingMode.Online ? new RunSender(journal, _settings, isFresh, _clock) : null;
        _sampler = _settings.SystemMetricsSeconds == 0 ? null
            : SystemMetrics.Start(journal, TimeSpan.FromSeconds(_settings.SystemMetricsSeconds), _settings.Notice, _clock);
        _console = _settings.CaptureConsole ? new ConsoleTee((line, isError) => LogOutput(line, isError)) : null;
    }

    /// <summary>Console and machine have nothing more to say.</summary>
    private async ValueTask EndSourcesAsync()
    {
        _console?.Dispose();
        if (_sampler is not null)
        {
            await _sampler.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask CloseAsync()
    {
        if (_sender is not null)
        {
            await _sender.DisposeAsync().ConfigureAwait(false);
        }

        _journal?.Dispose();
    }

    /// <summary>Does something with the journal, if there is one; what the disk refuses is said once.</summary>
    private void Keep(Action<RunJournal> work)
    {
        try
        {
            if (_journal is { } journal)
            {
                work(journal);
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            if (_said.TryAdd(fault.Message, true))
            {
                _settings.Notice(fault.Message);
            }
        }
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
