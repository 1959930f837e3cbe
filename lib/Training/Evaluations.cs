namespace NotebookLib.Training;

/// <summary>Scores the evaluation rows during a run, keeps the best model, and knows when patience is over.</summary>
internal sealed class Evaluations(
    ITrainingTask task, TrainingSettings settings, TrainingPlan plan, PrecisionPolicy precision, CheckpointKeeper checkpoints, Observers observers,
    ICommunicator? ranks = null)
{
    /// <summary>True when an evaluation follows an update.</summary>
    public bool AreDue(int update) => task.EvaluationRowCount > 0 && TrainingPlan.IsDue(update, plan.EvaluateEvery);

    /// <summary>True when so many evaluations brought nothing better that the run ends.</summary>
    public bool IsPatienceOver(TrainerState position) => settings.EarlyStoppingPatience is { } patience && position.EvaluationsSinceBest >= patience;

    /// <summary>Scores the rows where the run stands. When the token ends it, the position remembers that it is due.</summary>
    public void Run(TrainerState position, CancellationToken cancellation)
    {
        position.IsEvaluationPending = true;
        EvaluationResult result;
        try
        {
            result = task.Evaluate(precision, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested || ranks is not null)
        {
            return;
        }

        position.IsEvaluationPending = false;
        var evaluation = KeepIfBest(Log(position, result));
        if (ranks is not null)
        {
            // A best model that rank 0 could not write is nobody's best: patience ends on all at once.
            evaluation = evaluation with { IsBest = ranks.GatherNow([(byte)(evaluation.IsBest ? 1 : 0)])[0][0] == 1 };
        }

        position.BestValue = evaluation.IsBest ? evaluation.Metrics[settings.BestMetric] : position.BestValue;
        position.EvaluationsSinceBest = evaluation.IsBest ? 0 : position.EvaluationsSinceBest + 1;
        position.Evaluations.Add(evaluation);
        observers.Tell(observer => observer.EvaluationDone(evaluation, result));
    }

    private LoggedEvaluation Log(TrainerState position, EvaluationResult result)
    {
        var metrics = result.Metrics;
        var types = result.Scores?.Types.ToDictionary(row => row.Name, row => row.F1, StringComparer.Ordinal) ?? [];
        var isBest = EvaluationResult.IsBetter(settings.BestMetric, metrics[settings.BestMetric], position.BestValue);
        return new(position.Update, plan.EpochAt(position.MicroBatches), metrics, types, result.ElapsedSeconds, isBest);
    }

    // A best model that cannot be written is not recorded as the best, so that the next good one is written again.
    private LoggedEvaluation KeepIfBest(LoggedEvaluation evaluation) =>
        evaluation.IsBest && !observers.TryWrite($"The best model of update {evaluation.Update}", () => checkpoints.SaveBest(evaluation))
            ? evaluation with { IsBest = false }
            : evaluation;
}
