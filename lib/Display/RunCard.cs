using System.Globalization;
using NotebookLib.Html;
using NotebookLib.Training;

namespace NotebookLib.Display;

/// <summary>What a run decided before it starts, and how it ended.</summary>
public static class RunCard
{
    /// <summary>The card of what a run decided.</summary>
    public static CardView Plan(RunSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        return new("What this run will do", PlanFacts(summary)) { Tables = [EnvironmentCard.SettingsTable(summary.Settings)] };
    }

    /// <summary>The card of a finished run.</summary>
    public static CardView Result(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var (history, metric) = (result.History, result.Summary.Settings.BestMetric);
        List<Fact> facts =
        [
            new("ended", PanelLines.WordFor(result.End), result.Reason),
            new("updates", $"{Number(result.Updates)} of {Number(result.Summary.Updates)}"),
            new("time", PanelLines.Duration(result.ElapsedSeconds), "evaluations included"),
            new("mean training loss", result.MeanLoss.ToString("0.0000", CultureInfo.InvariantCulture), "nats per labelled piece"),
        ];
        if (history.Steps.Count > 0)
        {
            facts.Add(new("speed", $"{Number((long)history.Steps.Average(step => step.TokensPerSecond))} tokens/s", "mean over the logs, padding not counted"));
        }

        if (history.Best is { } best)
        {
            facts.Add(new("best evaluation", $"{metric} {best.Metrics[metric].ToString("0.0000", CultureInfo.InvariantCulture)} at update {Number(best.Update)}", $"epoch {best.Epoch.ToString("0.00", CultureInfo.InvariantCulture)}"));
        }

        facts.AddRange([new("best model", result.BestFolder ?? "none: nothing was evaluated"), new("last checkpoint", result.LastCheckpoint)]);
        return new("How the run ended", facts) { Warnings = result.Notices };
    }

    private static IReadOnlyList<Fact> PlanFacts(RunSummary summary) =>
    [
        new("device", summary.Device, summary.Precision),
        new("parameters", Number(summary.TotalParameters), $"{Number(summary.TrainedParameters)} trained"),
        new("sentences", $"{Number(summary.TrainingRows)} to train on, {Number(summary.EvaluationRows)} to evaluate on"),
        .. summary.Adapters is { } adapters
            ? new Fact[] { new("adapters", Invariant($"rank {adapters.Rank}, α {adapters.Alpha} on {string.Join(", ", adapters.Targets)}"), $"{summary.AdaptedLayers} layers{(adapters.TrainsHeadOnly ? ", left as initialised: the head alone is trained" : "")}") }
            : [],
        new("effective batch", summary.EffectiveBatch),
        new("updates", Number(summary.Updates), $"{Number(summary.UpdatesPerEpoch)} an epoch, {Number(summary.WarmupUpdates)} of warm-up"),
        new("seed", summary.Seed.ToString(CultureInfo.InvariantCulture)),
        new("versions", string.Join(", ", summary.Versions.Select(pair => $"{pair.Key} {pair.Value}")), $"commit {summary.Commit[..Math.Min(8, summary.Commit.Length)]}"),
    ];

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
