namespace NotebookLib.Training;

/// <summary>The learning rate of every update (transformers 4.35.2, optimization.py: <c>get_linear_…</c> and <c>get_cosine_schedule_with_warmup</c>).</summary>
/// <param name="Shape">How it falls after the warm-up.</param>
/// <param name="Peak">The rate at the end of the warm-up.</param>
/// <param name="WarmupUpdates">Updates over which it rises from 0.</param>
/// <param name="Updates">Updates of the whole run.</param>
public sealed record LearningRateSchedule(ScheduleShape Shape, double Peak, int WarmupUpdates, int Updates)
{
    /// <summary>The rate with which an update is made.</summary>
    /// <param name="update">Updates made before it: 0 for the first. At <see cref="Updates"/> the rate is 0, and that is what the reference logs last.</param>
    public double RateAt(int update) => Peak * FactorAt(update);

    // The divisions and their order are the reference's, so that rates agree to the last bits.
    private double FactorAt(int update)
    {
        if (update < WarmupUpdates)
        {
            return (double)update / Math.Max(1, WarmupUpdates);
        }

        var remaining = Math.Max(1, Updates - WarmupUpdates);
        return Shape switch
        {
            ScheduleShape.Constant => 1,
            ScheduleShape.Linear => Math.Max(0, (double)(Updates - update) / remaining),
            ScheduleShape.Cosine => Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * 0.5 * 2 * ((double)(update - WarmupUpdates) / remaining)))),
            _ => throw new InvalidOperationException($"{Shape} is no schedule."),
        };
    }
}
