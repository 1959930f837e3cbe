using NotebookLib.Display;
using NotebookLib.Hub;

namespace NotebookLib.Experiments;

/// <summary>Finds a model's folder: on this machine, or on the Hub, showing the transfers.</summary>
internal static class ModelSource
{
    /// <summary>The folder of a model.</summary>
    /// <param name="plan">The experiment that needs it.</param>
    /// <param name="nameOrFolder">A folder, or a name on the Hub.</param>
    /// <param name="cancellation">Stops a download; what is there already is kept.</param>
    /// <exception cref="DirectoryNotFoundException">It looks like a path, and there is no such folder.</exception>
    /// <exception cref="HubException">It cannot be had from the Hub; the message says what to do.</exception>
    public static Task<string> FolderAsync(ExperimentPlan plan, string nameOrFolder, CancellationToken cancellation) => Directory.Exists(nameOrFolder)
        ? Task.FromResult(nameOrFolder)
        : NoNetwork.ExplainAsync(plan, () => HubModels.FetchAsync(nameOrFolder, new DownloadPanel(), cancel: cancellation));
}
