using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Hub;
using NotebookLib.Platform;

namespace NotebookLib.Experiments;

/// <summary>A trained model's card, and its way to the Hub when the plan names a place there.</summary>
public static class Publication
{
    /// <summary>Writes the card (README.md) into the saved folder; publishes the folder, privately, when <c>push</c> is set.</summary>
    /// <param name="plan">Says where to; null publishes nothing.</param>
    /// <param name="data">Counts of the splits.</param>
    /// <param name="fit">Settings and curves.</param>
    /// <param name="judged">Scores.</param>
    /// <param name="saved">The folder.</param>
    /// <param name="cancellation">Stops it; Ctrl-C does so anyway.</param>
    /// <returns>What was published; says so when nothing was.</returns>
    /// <exception cref="HubException">Refused or unreachable; the message says what to do.</exception>
    public static async Task<HtmlView> PushAsync(
        ExperimentPlan plan, ExperimentData data, Fit fit, Judgement judged, SavedModel saved, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(fit);
        ArgumentNullException.ThrowIfNull(judged);
        ArgumentNullException.ThrowIfNull(saved);
        if (Facts(plan, data, fit, judged) is not { } facts)
        {
            return new EmptyView("Hub", "Nothing is published: this profile tests models that are there already.");
        }

        AtomicFile.WriteText(Path.Combine(saved.Folder, "README.md"), ModelReadme.Write(facts));
        if (plan.Push is not { } repository)
        {
            return new EmptyView("Hub", $"Nothing is published. The model's card is written ({Path.Combine(saved.Folder, "README.md")}); -p push=organisation/name publishes the folder, privately.");
        }

        var options = new HubPushOptions { Summary = $"{plan.System}, {plan.ProfileName}, seed {plan.Training.Seed}" };
        var pushed = await HubPush.FolderAsync(saved.Folder, repository, options, new DownloadPanel(), cancel: cancellation).ConfigureAwait(false);
        return new CardView(
            "On the Hub",
            [new("repository", pushed.Repository, "private", pushed.Url), new("commit", pushed.Commit), new("files", string.Join(", ", pushed.Files))]);
    }

    private static ModelFacts? Facts(ExperimentPlan plan, ExperimentData data, Fit fit, Judgement judged) => fit.Result is not { } training ? null : new()
    {
        Repository = plan.Push ?? plan.RunId,
        BaseModel = Path.Exists(plan.Model) ? null : plan.Model.Split('@')[0],
        Labels = data.Labels,
        DataName = plan.Data.Name,
        Dataset = plan.Data.Dataset,
        Language = plan.Data.IsOwn ? null : "en",
        TestIsValidation = data.TestIsValidation,
        // Of data of somebody's own we know no licence; the sample is ours.
        Licence = plan.Data.Dataset is not null ? "cc-by-nc-sa-4.0" : plan.Data.IsOwn ? null : "mit",
        Splits = data.Statistics,
        Scores = judged.Words.Scores,
        Strict = judged.Words.Strict,
        Training = training,
    };
}
