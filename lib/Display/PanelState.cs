using NotebookLib.Training;

namespace NotebookLib.Display;

/// <summary>How a run stands.</summary>
internal enum PanelPhase
{
    /// <summary>Under way.</summary>
    Running,

    /// <summary>Ended, one way or another; the text says how.</summary>
    Ended,

    /// <summary>Broken off by an error.</summary>
    Failed,
}

/// <summary>What the panel knows of a run, and what it concludes from it. Not for several threads at once.</summary>
internal sealed class PanelState(RunSummary summary)
{
    // Half of the estimate comes from the last few logs: machines change their pace.
    private const double PaceMemory = 0.8;

    // Before the first evaluation is measured: a forward pass costs about a third of a training step (forward, and a backward of twice its work).
    private const double ForwardShare = 1.0 / 3;

    private readonly List<LoggedStep> _steps = [.. summary.ResumedFrom?.History.Steps ?? []];
    private readonly List<LoggedEvaluation> _evaluations = [.. summary.ResumedFrom?.History.Evaluations ?? []];
    private double? _secondsPerUpdate;
    private double _evaluationSecondsSinceStep;
    private int _lastUpdate = summary.ResumedFrom?.Update ?? 0;

    public RunSummary Summary { get; } = summary;

    /// <summary>What is trained, or nothing to say.</summary>
    public string Title { get; init; } = "";

    public IReadOnlyList<LoggedStep> Steps => _steps;

    public IReadOnlyList<LoggedEvaluation> Evaluations => _evaluations;

    public List<string> Notices { get; } = [];

    public PanelPhase Phase { get; private set; }

    /// <summary>How it ended, in words.</summary>
    public string EndText { get; private set; } = "";

    public LoggedStep? LastStep => _steps.Count == 0 ? null : _steps[^1];

    public LoggedEvaluation? Best => _evaluations.LastOrDefault(evaluation => evaluation.IsBest);

    /// <summary>Updates done, 0 to all.</summary>
    public int Update => Math.Max(_lastUpdate, Math.Max(LastStep?.Update ?? 0, _evaluations.Count == 0 ? 0 : _evaluations[^1].Update));

    /// <summary>Epochs done, a fraction; null before the first log.</summary>
    public double? Epoch => _lastUpdate > (LastStep?.Update ?? 0) ? Summary.EpochAfter(_lastUpdate) : LastStep?.Epoch;

    /// <summary>Share of the run that is done, 0 to 1.</summary>
    public double Share => Math.Clamp(Update / (double)Math.Max(1, Summary.Updates), 0, 1);

    /// <summary>Seconds on the panel's own clock when the last stretch was logged.</summary>
    public double ElapsedAtLastStep { get; private set; }

    public void Add(LoggedStep step, double panelSeconds)
    {
        // The first log of a run that began at zero also covers its beginning; after a resume only the second one is a stretch of known length.
        var (fromUpdate, fromSeconds) = LastStep is { } last ? (last.Update, last.ElapsedSeconds) : (0, 0.0);
        var isMeasured = LastStep is not null || step.Update <= Math.Max(1, Summary.Settings.LogEvery.InUpdates(Summary.Updates));
        if (isMeasured && step.Update > fromUpdate)
        {
            var pace = Math.Max(0, step.ElapsedSeconds - fromSeconds - _evaluationSecondsSinceStep) / (step.Update - fromUpdate);
            _secondsPerUpdate = _secondsPerUpdate is { } old ? (PaceMemory * old) + ((1 - PaceMemory) * pace) : pace;
        }

        _evaluationSecondsSinceStep = 0;
        ElapsedAtLastStep = panelSeconds;
        _steps.Add(step);
    }

    public void Add(LoggedEvaluation evaluation)
    {
        _evaluationSecondsSinceStep += evaluation.ElapsedSeconds;
        _evaluations.Add(evaluation);
    }

    /// <summary>Takes in the end.</summary>
    /// <param name="phase">How it stands now.</param>
    /// <param name="text">How it ended, in words.</param>
    /// <param name="lastUpdate">Updates made, those since the last log among them; 0 where nobody knows.</param>
    public void End(PanelPhase phase, string text, int lastUpdate) => (Phase, EndText, _lastUpdate) = (phase, text, lastUpdate);

    /// <summary>Seconds that updates and evaluations still take, or null while nothing is measured.</summary>
    public double? SecondsLeft()
    {
        if (_secondsPerUpdate is not { } secondsPerUpdate)
        {
            return null;
        }

        var every = Summary.EvaluationRows == 0 ? 0 : Summary.Settings.EvaluateEvery.InUpdates(Summary.Updates);
        var evaluationsDue = every == 0 ? 0 : (Summary.Updates / every) - (Update / every) + (IsEvaluationPending(every) ? 1 : 0);
        return ((Summary.Updates - Update) * secondsPerUpdate) + (evaluationsDue * SecondsPerEvaluation(secondsPerUpdate));
    }

    /// <summary>The update of the last log asks for an evaluation whose result has not come yet.</summary>
    private bool IsEvaluationPending(int every) => Update > 0 && Update % every == 0 && (_evaluations.Count == 0 || _evaluations[^1].Update < Update);

    private double SecondsPerEvaluation(double secondsPerUpdate) => _evaluations.Count > 0
        ? _evaluations.Average(evaluation => evaluation.ElapsedSeconds)
        : secondsPerUpdate / Summary.Settings.EffectiveBatchSize * Summary.EvaluationRows * ForwardShare;
}
