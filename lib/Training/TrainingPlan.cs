namespace NotebookLib.Training;

/// <summary>
/// When what happens in a run, and at which rate: micro-batches, updates, logs, evaluations, saves. The rules are those of transformers 4.35.2 (trainer.py,
/// <c>_inner_training_loop</c>; trainer_callback.py, <c>DefaultFlowCallback</c>): accumulation runs on across the end of an epoch, an epoch counts as
/// floor(micro-batches / accumulation) updates, and the run stops at the planned update even when an epoch is not over.
/// </summary>
internal sealed record TrainingPlan
{
    private readonly (ScheduleShape Shape, double Peak) _schedule;

    /// <summary>Plans a run.</summary>
    /// <param name="settings">Valid settings.</param>
    /// <param name="rows">Training rows, at least 1.</param>
    public TrainingPlan(TrainingSettings settings, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        Rows = rows;
        BatchSize = settings.BatchSize;
        AccumulationSteps = settings.AccumulationSteps;
        MicroBatchesPerEpoch = (rows + BatchSize - 1) / BatchSize;
        UpdatesPerEpoch = Math.Max(1, MicroBatchesPerEpoch / AccumulationSteps);
        Updates = settings.MaximumUpdates ?? checked((int)Math.Ceiling(settings.Epochs * UpdatesPerEpoch));
        WarmupUpdates = settings.WarmupUpdates > 0 ? settings.WarmupUpdates : (int)Math.Ceiling(Updates * settings.WarmupRatio);
        _schedule = (settings.Schedule, settings.LearningRate);
        LogEvery = settings.LogEvery.InUpdates(Updates);
        EvaluateEvery = settings.EvaluateEvery.InUpdates(Updates);
        SaveEvery = settings.SaveEvery.InUpdates(Updates);
    }

    /// <summary>Training rows.</summary>
    public int Rows { get; }

    /// <summary>Sentences per micro-batch; the last of an epoch may have fewer.</summary>
    public int BatchSize { get; }

    /// <summary>Micro-batches per update.</summary>
    public int AccumulationSteps { get; }

    /// <summary>Micro-batches in one pass over the rows, the smaller last one included.</summary>
    public int MicroBatchesPerEpoch { get; }

    /// <summary>Updates that one epoch counts for, at least 1.</summary>
    public int UpdatesPerEpoch { get; }

    /// <summary>Updates of the whole run.</summary>
    public int Updates { get; }

    /// <summary>Updates over which the learning rate rises.</summary>
    public int WarmupUpdates { get; }

    /// <summary>Updates between logs; 0 for never.</summary>
    public int LogEvery { get; }

    /// <summary>Updates between evaluations; 0 for never.</summary>
    public int EvaluateEvery { get; }

    /// <summary>Updates between checkpoints; 0 for never.</summary>
    public int SaveEvery { get; }

    /// <summary>The updates after which the evaluation rows are scored, in order.</summary>
    public IEnumerable<int> Evaluations => Multiples(EvaluateEvery);

    /// <summary>The updates after which a checkpoint is written by interval, in order; the end of the run writes one besides.</summary>
    public IEnumerable<int> Saves => Multiples(SaveEvery);

    /// <summary>
    /// The learning rate with which an update is made (optimization.py: <c>get_linear_…</c> and <c>get_cosine_schedule_with_warmup</c>).
    /// </summary>
    /// <param name="update">Updates made before it: 0 for the first. At <see cref="Updates"/> the rate is 0, and that is what the reference logs last.</param>
    public double RateAt(int update) => _schedule.Peak * FactorAt(update);

    /// <summary>True when an interval is due after an update.</summary>
    public static bool IsDue(int update, int every) => every > 0 && update % every == 0;

    /// <summary>True when the gradients gathered so far make an update.</summary>
    /// <param name="microBatches">Micro-batches done since the start of the run, the current one included.</param>
    public bool IsUpdateDue(long microBatches) =>
        microBatches % AccumulationSteps == 0 || (MicroBatchesPerEpoch <= AccumulationSteps && microBatches % MicroBatchesPerEpoch == 0);

    /// <summary>Epochs done, as the logs count them: a fraction.</summary>
    /// <param name="microBatches">Micro-batches done since the start of the run.</param>
    public double EpochAt(long microBatches) => (double)microBatches / MicroBatchesPerEpoch;

    /// <summary>Epochs done after so many updates, as the logs count them.</summary>
    /// <param name="updates">Updates since the start of the run.</param>
    public double EpochAfter(int updates)
    {
        var microBatches = (long)updates * AccumulationSteps;
        if (MicroBatchesPerEpoch <= AccumulationSteps)
        {
            // The end of an epoch makes an update as well.
            microBatches = 0;
            for (var done = 0; done < updates;)
            {
                done += IsUpdateDue(++microBatches) ? 1 : 0;
            }
        }

        return EpochAt(microBatches);
    }

    // The divisions and their order are the reference's, so that rates agree to the last bits.
    private double FactorAt(int update)
    {
        if (update < WarmupUpdates)
        {
            return (double)update / WarmupUpdates;
        }

        var remaining = Math.Max(1, Updates - WarmupUpdates);
        return _schedule.Shape switch
        {
            ScheduleShape.Constant => 1,
            ScheduleShape.Linear => Math.Max(0, (double)(Updates - update) / remaining),
            ScheduleShape.Cosine => Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * 0.5 * 2 * ((double)(update - WarmupUpdates) / remaining)))),
            _ => throw new InvalidOperationException($"{_schedule.Shape} is no schedule."),
        };
    }

    private IEnumerable<int> Multiples(int every)
    {
        for (var update = every; every > 0 && update <= Updates; update += every)
        {
            yield return update;
        }
    }
}
