using NotebookLib.Charts;
using NotebookLib.Training;

namespace NotebookLib.Display;

/// <summary>Loss and scores as charts that are drawn anew after each evaluation; nothing is shown where a host cannot replace what it shows.</summary>
/// <param name="published">Curves to draw behind ours, or null.</param>
/// <param name="host">Where to show them; null for <see cref="NotebookHost.Current"/> at the start of the run.</param>
public sealed class LiveCurves(PublishedCurves? published = null, INotebookHost? host = null) : ITrainingObserver
{
    private readonly List<LoggedStep> _steps = [];
    private readonly List<LoggedEvaluation> _evaluations = [];
    private IDisplayHandle? _loss;
    private IDisplayHandle? _scores;

    /// <inheritdoc />
    public void RunStarted(RunSummary summary, TrainingControl control)
    {
        _steps.Clear();
        _evaluations.Clear();
        var shown = host ?? NotebookHost.Current;
        if (shown.CanUpdate)
        {
            var history = new TrainingHistory(_steps, _evaluations);
            (_loss, _scores) = (shown.Show(TrainingCharts.Loss(history, published)), shown.Show(TrainingCharts.Scores(history, published)));
        }
    }

    /// <inheritdoc />
    public void StepLogged(LoggedStep logged) => _steps.Add(logged);

    /// <inheritdoc />
    public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result)
    {
        _evaluations.Add(evaluation);
        var history = new TrainingHistory(_steps, _evaluations);
        _loss?.Update(TrainingCharts.Loss(history, published));
        _scores?.Update(TrainingCharts.Scores(history, published));
    }
}
