using NotebookLib.Training;

namespace NotebookLib.Charts;

public static partial class TrainingCharts
{
    /// <summary>Training loss, raw and smoothed, and the loss of each evaluation, from a run's saved history.</summary>
    public static Chart Loss(TrainingHistory history, PublishedCurves? published = null)
    {
        ArgumentNullException.ThrowIfNull(history);
        return Loss(Curve.Of(history.Steps, step => step.Update, step => step.Loss), EvaluationCurve(history, EvaluationResult.LossMetric), published);
    }

    /// <summary>The learning rate of each logged update.</summary>
    public static Chart LearningRate(TrainingHistory history)
    {
        ArgumentNullException.ThrowIfNull(history);
        return LearningRate(Curve.Of(history.Steps, step => step.Update, step => step.LearningRate));
    }

    /// <summary>Precision, recall and F1 of each evaluation.</summary>
    public static Chart Scores(TrainingHistory history, PublishedCurves? published = null) =>
        Scores(EvaluationCurve(history, "precision"), EvaluationCurve(history, "recall"), EvaluationCurve(history, "f1"), published);

    /// <summary>Speed and memory along the run.</summary>
    public static Chart Speed(TrainingHistory history)
    {
        ArgumentNullException.ThrowIfNull(history);
        return Speed(
            Curve.Of(history.Steps, step => step.ElapsedSeconds, step => step.TokensPerSecond),
            Curve.Of(history.Steps.Where(step => step.MemoryBytes > 0), step => step.ElapsedSeconds, step => step.MemoryBytes));
    }

    private static Curve EvaluationCurve(TrainingHistory history, string metric)
    {
        ArgumentNullException.ThrowIfNull(history);
        return Curve.Of(history.Evaluations, evaluation => evaluation.Update, evaluation => evaluation.Metrics.GetValueOrDefault(metric, double.NaN));
    }
}
