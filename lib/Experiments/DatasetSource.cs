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
        var options = new MultiNerdOptions { Repository = plan.Data.Dataset! };
        options = plan.Trains ? options : options with { Splits = ["test"] };
        var files = await MultiNerd.FetchAsync(new DownloadPanel(), options, cancel: cancellation).ConfigureAwait(false);
        // The files hold the distinct listing already; sentences that the source itself has twice belong to it.
        var listing = plan.Data.Listing is RowListing.Published ? RowListing.Published : RowListing.AsListed;
        var test = plan.Data with { Test = files.PathOf("test"), Listing = listing };
        return plan.Trains ? test with { Train = files.PathOf("train"), Validation = files.PathOf("validation") } : test;
    }
}
