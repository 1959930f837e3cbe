namespace NotebookLib.Experiments;

/// <summary>Brings a data set from the Hub.</summary>
internal static class DatasetSource
{
    /// <summary>The files of a data set, as Parquet.</summary>
    public static Task<DataPlan> FilesAsync(ExperimentPlan plan, CancellationToken cancellation) => throw new NotSupportedException(plan.Data.Dataset);
}
