namespace NotebookLib.Training;

/// <summary>One logged stretch of training.</summary>
/// <param name="Update">Updates done.</param>
/// <param name="Epoch">Epochs done, a fraction.</param>
/// <param name="Loss">Mean training loss since the last log, as transformers 4.35.2 reports it (there rounded to 4 decimals).</param>
/// <param name="LearningRate">The rate of the next update: what the scheduler holds after this one, as the reference logs it.</param>
/// <param name="GradientNorm">Total norm of the last update's gradients before clipping.</param>
/// <param name="TokensPerSecond">Pieces without padding per second of training, evaluations and checkpoints left out.</param>
/// <param name="ElapsedSeconds">Seconds since the run began, time before a resume included.</param>
public sealed record LoggedStep(int Update, double Epoch, double Loss, double LearningRate, double GradientNorm, double TokensPerSecond, double ElapsedSeconds)
{
    /// <summary>Resident memory of the process then; 0 in a history that was saved without it.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>
    /// Memory of the CUDA device in use then, by all processes and what libtorch keeps for later; 0 on a CPU or where the driver does not tell.
    /// </summary>
    public long DeviceMemoryBytes { get; init; }

    /// <summary>Memory of the CUDA device; 0 as above.</summary>
    public long DeviceMemoryTotalBytes { get; init; }

    /// <summary>Share of the moments before the log in which the device computed, 0 to 1, by its driver; null as above.</summary>
    public double? DeviceUtilisation { get; init; }
}

/// <summary>One evaluation during training.</summary>
/// <param name="Update">Updates done.</param>
/// <param name="Epoch">Epochs done, a fraction.</param>
/// <param name="Metrics">Every metric by name, <c>loss</c> among them.</param>
/// <param name="TypeF1">F1 of each entity type that occurs, seqeval's default mode.</param>
/// <param name="ElapsedSeconds">Time of the evaluation.</param>
/// <param name="IsBest">True when it beat all before it.</param>
public sealed record LoggedEvaluation(
    int Update, double Epoch, IReadOnlyDictionary<string, double> Metrics, IReadOnlyDictionary<string, double> TypeF1, double ElapsedSeconds, bool IsBest)
{
    /// <summary>The evaluation loss.</summary>
    public double Loss => Metrics[EvaluationResult.LossMetric];
}

/// <summary>All that a run logged, in order: enough to draw every curve afterwards.</summary>
/// <param name="Steps">Logged stretches of training.</param>
/// <param name="Evaluations">Evaluations.</param>
public sealed record TrainingHistory(IReadOnlyList<LoggedStep> Steps, IReadOnlyList<LoggedEvaluation> Evaluations)
{
    /// <summary>A run that has logged nothing yet.</summary>
    public static TrainingHistory Empty { get; } = new([], []);

    /// <summary>The best evaluation so far, or null.</summary>
    public LoggedEvaluation? Best => Evaluations.LastOrDefault(evaluation => evaluation.IsBest);
}
