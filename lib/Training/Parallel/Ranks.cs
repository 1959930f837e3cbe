using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>
/// The job that this process is a part of: <c>mpirun -n N</c> starts N ranks of the same program, which train one model together (docs/SCALE.md). Rank 0
/// writes, shows and tracks; what the others would write goes to a folder of their own that nobody keeps. A process that was started alone is rank 0 of 1.
/// </summary>
internal static class Ranks
{
    private static readonly Lazy<MpiCommunicator> Started = new(() => MpiCommunicator.Start(Own, Count));

    /// <summary>How many ranks there are.</summary>
    public static int Count { get; } = RankVariables.Count;

    /// <summary>Which one this process is, from 0.</summary>
    public static int Own { get; } = RankVariables.Own;

    /// <summary>Whether this is the rank that writes.</summary>
    public static bool IsFirst => Own == 0;

    /// <summary>The way to the others; null in a process that is alone. The first call waits for all of them.</summary>
    /// <exception cref="PlatformNotSupportedException">Open MPI's library cannot be loaded.</exception>
    internal static ICommunicator? Communicator => Count == 1 ? null : Started.Value;

    /// <summary>Why so many ranks cannot share an update; null where they can.</summary>
    internal static string? FindFault(int ranks, TrainingSettings settings, int? microBatchesPerEpoch = null)
    {
        var most = Math.Min(settings.AccumulationSteps, microBatchesPerEpoch ?? int.MaxValue);
        if (ranks <= most)
        {
            return null;
        }

        var finer = settings.BatchSize / ((ranks + most - 1) / most);
        var steps = (settings.EffectiveBatchSize + finer - 1) / Math.Max(1, finer);
        return $"{ranks} ranks are to share an update of {most} micro-batches ({(most < settings.AccumulationSteps ? "an epoch" : "AccumulationSteps")}); "
            + $"expected at most {most} ranks, or more and smaller micro-batches"
            + (finer >= 1 ? $": BatchSize {finer} and AccumulationSteps {steps} keep the sentences of an update." : ".");
    }
}
