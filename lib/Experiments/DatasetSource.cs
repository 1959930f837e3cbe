using NotebookLib.Data;
using NotebookLib.Display;
using NotebookLib.Hub;

namespace NotebookLib.Experiments;

/// <summary>Brings MultiNERD from the Hub, showing the transfers.</summary>
internal static class DatasetSource
{
    /// <summary>The data plan with the files of each split, as Parquet.</summary>
    /// <param name="plan">The experiment; where nothing is trained, only the test split is fetched.</param>
    /// <param name="cancellation">Stops it; what has arrived is kept.</param>
    /// <exception cref="HubException">It cannot be had; the message says what to do.</exception>
    public static async Task<DataPlan> FilesAsync(ExperimentPlan plan, CancellationToken cancellation)
    {
        var files = await NoNetwork.ExplainAsync(plan, () => MultiNerd.FetchAsync(new DownloadPanel(), OptionsOf(plan), cancel: cancellation)).ConfigureAwait(false);
        // The files hold the distinct listing already; sentences that the source itself has twice belong to it.
        var listing = plan.Data.Listing is RowListing.Published ? RowListing.Published : RowListing.AsListed;
        var test = plan.Data with { Test = files.PathOf("test"), Listing = listing };
        return plan.Trains ? test with { Train = files.PathOf("train"), Validation = files.PathOf("validation") } : test;
    }

    /// <summary>What is fetched for an experiment.</summary>
    public static MultiNerdOptions OptionsOf(ExperimentPlan plan)
    {
        var all = new MultiNerdOptions { Repository = plan.Data.Dataset! };
        return plan.Trains ? all : all with { Splits = ["test"] };
    }
}
