namespace NotebookLib.Training;

/// <summary>Where a run stands and what it has summed up since the last log: the changing half of <see cref="TrainerState"/>.</summary>
internal sealed class RunPosition
{
    public int Update { get; set; }

    public long MicroBatches { get; set; }

    public int Accumulated { get; set; }

    public int UpdatesSinceLog { get; set; }

    public double LossBeforeLog { get; set; }

    public long TokensSinceLog { get; set; }

    public double SecondsSinceLog { get; set; }

    public double ElapsedSeconds { get; set; }

    public double? BestValue { get; set; }

    public int EvaluationsSinceBest { get; set; }

    public bool IsEvaluationPending { get; set; }

    public List<LoggedStep> Steps { get; } = [];

    public List<LoggedEvaluation> Evaluations { get; } = [];

    public TrainingHistory History => new([.. Steps], [.. Evaluations]);

    /// <summary>The checkpoint's name here.</summary>
    public CheckpointName Name => new(Update, Accumulated);

    public static RunPosition From(TrainerState state)
    {
        var position = new RunPosition
        {
            Update = state.Update,
            MicroBatches = state.MicroBatches,
            Accumulated = state.Accumulated,
            UpdatesSinceLog = state.UpdatesSinceLog,
            LossBeforeLog = state.LossBeforeLog,
            TokensSinceLog = state.TokensSinceLog,
            SecondsSinceLog = state.SecondsSinceLog,
            ElapsedSeconds = state.ElapsedSeconds,
            BestValue = state.BestValue,
            EvaluationsSinceBest = state.EvaluationsSinceBest,
            IsEvaluationPending = state.IsEvaluationPending,
        };
        position.Steps.AddRange(state.History.Steps);
        position.Evaluations.AddRange(state.History.Evaluations);
        return position;
    }
}
