using NotebookLib.Charts;
using NotebookLib.Html;
using NotebookLib.Training;

namespace NotebookLib.Display;

/// <summary>
/// Loss and scores as charts that are drawn anew after each evaluation, and go when the run is over: a notebook then draws them from the saved
/// history. Nothing is shown where a host cannot replace what it shows.
/// </summary>
/// <param name="published">Curves to draw behind ours, or null.</param>
public sealed class LiveCurves(PublishedCurves? published = null) : ITrainingObserver
{
    private readonly List<LoggedStep> _steps = [];
    private readonly List<LoggedEvaluation> _evaluations = [];
    private IDisplayHandle? _handle;

    /// <summary>Where to show them; null for <see cref="NotebookHost.Current"/> at the start of the run.</summary>
    internal INotebookHost? Host { get; init; }

    /// <inheritdoc />
    public void RunStarted(RunSummary summary, TrainingControl control)
    {
        ArgumentNullException.ThrowIfNull(summary);
        _steps.Clear();
        _evaluations.Clear();
        _steps.AddRange(summary.ResumedFrom?.History.Steps ?? []);
        _evaluations.AddRange(summary.ResumedFrom?.History.Evaluations ?? []);
        var shown = Host ?? NotebookHost.Current;
        _handle = shown.CanUpdate ? shown.Show(Curves()) : null;
    }

    /// <inheritdoc />
    public void StepLogged(LoggedStep logged) => _steps.Add(logged);

    /// <inheritdoc />
    public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result)
    {
        _evaluations.Add(evaluation);
        _handle?.Update(Curves());
    }

    /// <inheritdoc />
    public void RunEnded(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        if (result.End is not TrainingEnd.Stopped)
        {
            _handle?.Update(new StackView());
        }
    }

    private StackView Curves()
    {
        var history = new TrainingHistory(_steps, _evaluations);
        return new(TrainingCharts.Loss(history, published), TrainingCharts.Scores(history, published));
    }
}
