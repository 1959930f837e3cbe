using NotebookLib.Platform;
using NotebookLib.Training;

namespace NotebookLib.Display;

/// <summary>
/// Shows a training run while it goes on: a bar, the time left with the evaluations that are still due, speed, memory, learning rate, the loss as a small curve
/// and a row for each evaluation with the best marked. Where the host can replace what it shows, the panel is drawn anew at most once a second, and the clocks
/// go on between logs; elsewhere it writes a line now and then. It costs the training thread less than a millisecond a log.
/// </summary>
public sealed class LivePanel : ITrainingObserver, IDisposable
{
    private static readonly TimeSpan DrawEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan WriteEvery = TimeSpan.FromSeconds(15);

    private readonly List<string> _early = [];
    private readonly string _title;
    private readonly INotebookHost? _givenHost;
    private readonly TimeProvider _time;
    private readonly Func<long> _memoryBytes;
    private readonly Lock _lock = new();
    private INotebookHost? _host;
    private IDisplayHandle? _handle;
    private ITimer? _timer;
    private CancellationTokenRegistration _stopButton;
    private PanelState? _state;
    private long _lastShown;
    private long _started;
    private bool _isShown;

    /// <summary>Makes a panel; it appears when the run starts.</summary>
    /// <param name="title">What is trained, where a notebook trains more than one network.</param>
    public LivePanel(string title = "")
        : this(title, host: null)
    {
    }

    /// <inheritdoc cref="LivePanel(string)"/>
    /// <param name="title">What is trained.</param>
    /// <param name="host">Where to show it; null for <see cref="NotebookHost.Current"/> at the start of the run.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="memoryBytes">Reads the process's memory; null for <see cref="ResidentMemory"/>.</param>
    internal LivePanel(string title, INotebookHost? host, TimeProvider? time = null, Func<long>? memoryBytes = null) =>
        (_title, _givenHost, _time, _memoryBytes) = (title, host, time ?? TimeProvider.System, memoryBytes ?? (() => ResidentMemory.CurrentBytes));

    /// <summary>The panel as it stands now; null before the run starts.</summary>
    internal LivePanelView? View
    {
        get
        {
            lock (_lock)
            {
                return _state is null ? null : MakeView();
            }
        }
    }

    /// <inheritdoc />
    public void RunStarted(RunSummary summary, TrainingControl control)
    {
        lock (_lock)
        {
            _host = _givenHost ?? NotebookHost.Current;
            ArgumentNullException.ThrowIfNull(summary);
            _state = new(summary) { Title = _title };
            _state.Notices.AddRange(_early);
            _started = _time.GetTimestamp();
            _isShown = false;
            _timer?.Dispose();
            _timer = null;
            if (_host.CanUpdate)
            {
                _handle = _host.Show(MakeView());
                _timer = _time.CreateTimer(_ => Tick(), null, DrawEvery, DrawEvery);
            }
            else
            {
                _handle = _host.Show((_title.Length > 0 ? _title + ": " : "") + PanelLines.Start(summary));
                _early.ForEach(notice => _handle.Update("! " + notice));
            }

            _early.Clear();

            _lastShown = _time.GetTimestamp();
            WatchStopButton();
        }
    }

    /// <inheritdoc />
    public void StepLogged(LoggedStep logged) =>
        Change(state => state.Add(logged, _time.GetElapsedTime(_started).TotalSeconds), state => PanelLines.Step(state, _memoryBytes()), isUrgent: false);

    /// <inheritdoc />
    public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result) =>
        Change(state => state.Add(evaluation), _ => PanelLines.Evaluation(evaluation), isUrgent: true);

    /// <inheritdoc />
    public void Noticed(string message)
    {
        lock (_lock)
        {
            // Before the start there is no panel yet (or that of an earlier run): where a run goes on from is said so.
            if (_state is not { Phase: PanelPhase.Running })
            {
                _early.Add(message);
            }
            else
            {
                Change(state => state.Notices.Add(message), _ => "! " + message, isUrgent: true);
            }
        }
    }

    /// <inheritdoc />
    public void RunEnded(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        End(PanelPhase.Ended, $"{PanelLines.WordFor(result.End)}: {result.Reason}", result.Updates);
    }

    /// <inheritdoc />
    public void RunFailed(Exception failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        End(PanelPhase.Failed, $"failed: {failure.GetType().Name}: {failure.Message}");
    }

    /// <inheritdoc />
    public void Dispose()
    {
        lock (_lock)
        {
            _timer?.Dispose();
            _timer = null;
            _stopButton.Unregister();
        }
    }

    /// <summary>
    /// The genuine kernel shows nothing more of a cell that was stopped, although the cell runs on until it looks: this notice, made while the kernel is still
    /// cancelling, is the last thing that arrives.
    /// </summary>
    private void WatchStopButton()
    {
        _stopButton.Unregister();
        var folder = Path.GetFullPath(_state!.Summary.Settings.OutputFolder);
        _stopButton = Interruption.TokenOfHost is { } asked
            ? asked.Register(() => Noticed($"Stop was asked for: the run ends at its next safe point and keeps its state in {folder}.")) : default;
    }

    private void End(PanelPhase phase, string text, int lastUpdate = 0)
    {
        Change(state => state.End(phase, text, lastUpdate), state => PanelLines.End(state), isUrgent: true);
        Dispose();
    }

    /// <summary>Takes something in, and shows it when it is time to.</summary>
    /// <param name="change">What changes.</param>
    /// <param name="line">The line for hosts that cannot replace.</param>
    /// <param name="isUrgent">Shown at once, however short ago the last time was.</param>
    private void Change(Action<PanelState> change, Func<PanelState, string> line, bool isUrgent)
    {
        lock (_lock)
        {
            if (_state is null)
            {
                return;
            }

            change(_state);
            _isShown = false;
            if (isUrgent || _time.GetElapsedTime(_lastShown) >= (_host!.CanUpdate ? DrawEvery : WriteEvery))
            {
                Show(line);
            }
        }
    }

    private void Tick()
    {
        lock (_lock)
        {
            // A late tick of a timer that is disposed already changes nothing.
            if (_timer is not null && (!_isShown || _state!.Phase == PanelPhase.Running))
            {
                Show(_ => "");
            }
        }
    }

    private void Show(Func<PanelState, string> line)
    {
        _handle!.Update(_host!.CanUpdate ? MakeView() : line(_state!));
        _lastShown = _time.GetTimestamp();
        _isShown = true;
    }

    private LivePanelView MakeView() => new(_state!, _time.GetElapsedTime(_started), _memoryBytes());
}
