using System.Globalization;
using NotebookLib.Html;
using NotebookLib.Hub;
using NotebookLib.Training;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Display;

/// <summary>What a run decided before it starts, and how it ended.</summary>
public static class RunCard
{
    /// <summary>The card of what a run decided; says so where nothing is trained.</summary>
    public static HtmlView Plan(RunSummary? summary) => summary is null
        ? new EmptyView("Training", "Nothing is trained in this profile: the weights are tested as they are.")
        : new CardView("What this run will do", PlanFacts(summary));

    /// <summary>The card of a finished run; empty where nothing was trained, which <see cref="Plan"/> has said.</summary>
    /// <param name="result">How it ended, or null.</param>
    public static HtmlView Result(TrainingResult? result)
    {
        if (result is null)
        {
            return new StackView();
        }

        var (history, metric) = (result.History, result.Summary.Settings.BestMetric);
        List<Fact> facts =
        [
            new("ended", PanelLines.WordFor(result.End), result.Reason),
            new("updates", $"{Count(result.Updates)} of {Count(result.Summary.Updates)}"),
            new("time", Duration(result.ElapsedSeconds), "evaluations included"),
            new("mean training loss", Score(result.MeanLoss), "nats per labelled piece"),
        ];
        if (history.Steps.Count > 0)
        {
            facts.Add(new("speed", $"{Count((long)history.Steps.Average(step => step.TokensPerSecond))} tokens/s", "mean over the logs, padding not counted"));
        }

        if (history.Best is { } best)
        {
            facts.Add(new("best evaluation",
                $"{metric} {Score(best.Metrics[metric])} at update {Count(best.Update)}",
                $"epoch {best.Epoch.ToString("0.00", CultureInfo.InvariantCulture)}"));
        }

        facts.AddRange([new("best model", result.BestFolder ?? "none: nothing was evaluated"), new("last checkpoint", result.LastCheckpoint)]);
        return new CardView("How the run ended", facts) { Warnings = result.Notices };
    }

    /// <summary>What a saved model's folder holds, and how to load it elsewhere.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="baseModel">Where an adapter's base model comes from; null for a whole model.</param>
    public static CardView Saved(string folder, string? baseModel = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var (csharp, python) = baseModel is null
            ? ($"var tagger = await EntityTagger.LoadAsync(\"{folder}\");", $"pipeline(\"token-classification\", model=\"{folder}\")")
            : ($"var tagger = await EntityTagger.LoadAsync(\"{folder}\", baseModel: \"{baseModel}\");",
                $"PeftModel.from_pretrained(AutoModelForTokenClassification.from_pretrained(\"{baseModel}\", "
                    + $"config=AutoConfig.from_pretrained(\"{folder}\")), \"{folder}\")");
        return new(
            "The result",
            [new("folder", folder), .. Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)
                .Select(file => new Fact(Path.GetFileName(file), Size(new FileInfo(file).Length)))])
        {
            Subtitle = baseModel is null ? "A checkpoint in the Hub's layout." : $"An adapter in PEFT's format, for {baseModel}.",
            Tables = [new("How to load it", [new("language"), new("code")],
                [new(["C#", new(csharp, IsCode: true)]), new(["Python", new(python, IsCode: true)])])],
        };
    }

    /// <summary>What was published on the Hub.</summary>
    /// <param name="pushed">The commit.</param>
    public static CardView Pushed(HubPushed pushed)
    {
        ArgumentNullException.ThrowIfNull(pushed);
        return new("On the Hub", [new("repository", pushed.Repository, "private", pushed.Url), new("commit", pushed.Commit),
            new("files", string.Join(", ", pushed.Files))]);
    }

    private static IReadOnlyList<Fact> PlanFacts(RunSummary summary) =>
    [
        new("device", summary.Device, summary.Precision),
        new("parameters", Count(summary.TotalParameters), $"{Count(summary.TrainedParameters)} trained"),
        new("sentences", $"{Count(summary.TrainingRows)} to train on, {Count(summary.EvaluationRows)} to evaluate on"),
        .. summary.Adapters is { } adapters
            ? new Fact[] {
                new("adapters", Invariant($"rank {adapters.Rank}, α {adapters.Alpha} on {string.Join(", ", adapters.Targets ?? [])}"),
                $"{summary.AdaptedLayers} layers{(adapters.TrainsHeadOnly ? ", left as they begin: the head alone is trained" : "")}") }
            : [],
        new("effective batch", summary.EffectiveBatch),
        new("updates", Count(summary.Updates), $"{Count(summary.UpdatesPerEpoch)} an epoch, {Count(summary.WarmupUpdates)} of warm-up"),
        new("learning rate", $"{Rate(summary.Settings.LearningRate)}, {summary.Settings.Schedule.ToString().ToLowerInvariant()}",
            Invariant($"AdamW, weight decay {summary.Settings.WeightDecay}, gradients up to norm {summary.Settings.MaximumGradientNorm}")),
        new("loss", summary.Settings.FocalGamma == 0 ? "cross-entropy" : Invariant($"focal, γ {summary.Settings.FocalGamma}"),
            (summary.Settings.LossAverage == LossAverage.MeanOfMeans ? "mean of the micro-batches' means" : "mean over an update's labelled pieces")
                + (summary.Settings.ClassWeights is null ? "" : ", labels weighted")),
        new("evaluations", summary.Settings.EvaluateEvery.ToString(),
            $"best by {summary.Settings.BestMetric}"
                + $"{(summary.Settings.EarlyStoppingPatience is { } patience ? Invariant($", stop after {patience} without a new best") : "")}"),
        new("checkpoints", summary.Settings.SaveEvery.ToString(), summary.Settings.OutputFolder),
        new("seed", summary.Seed.ToString(CultureInfo.InvariantCulture)),
        new("versions", string.Join(", ", summary.Versions.Select(pair => $"{pair.Key} {pair.Value}")),
            $"commit {summary.Commit[..Math.Min(8, summary.Commit.Length)]}"),
    ];
}
