using System.Text.Json;
using NotebookLib.Html;
using NotebookLib.Metrics;
using NotebookLib.Results;

namespace NotebookLib.Experiments;

/// <summary>A finished experiment as rows of the results tables.</summary>
public static class RunRecord
{
    private static readonly JsonSerializerOptions Compact = new() { Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() } };

    /// <summary>Adds the run to the table of all runs and hands its scores to the program that runs the notebook.</summary>
    /// <param name="plan">The experiment.</param>
    /// <param name="fit">Its training.</param>
    /// <param name="judgement">Its scores.</param>
    /// <param name="model">Its model.</param>
    /// <param name="table">Where to; null for <c>results/</c> of this repository.</param>
    /// <returns>The table.</returns>
    /// <exception cref="IOException">The folder cannot be written; the message says where.</exception>
    public static RunTable Add(ExperimentPlan plan, Fit fit, Judgement judgement, ExperimentModel model, RunTable? table = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(judgement);
        table ??= new RunTable(RepositoryFiles.PathOf("results"));
        var row = RowOf(plan, fit, judgement, model);
        _ = RunScores.Publish(row);
        table.Append(row, TypesOf(plan.RunId, judgement.Words.Scores));
        return table;
    }

    /// <summary>The run's row.</summary>
    public static RunRow RowOf(ExperimentPlan plan, Fit fit, Judgement judgement, ExperimentModel model)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(fit);
        ArgumentNullException.ThrowIfNull(judgement);
        ArgumentNullException.ThrowIfNull(model);
        var (scores, summary, best) = (judgement.Words.Scores, fit.Result?.Summary, fit.History.Best);
        return new RunRow
        {
            RunId = plan.RunId,
            Started = plan.Started,
            System = plan.System,
            Profile = plan.ProfileName,
            Model = plan.Model,
            Data = plan.Data.Name,
            Seed = plan.Training.Seed,
            LearningRate = plan.Trains ? plan.Training.LearningRate : null,
            Epochs = plan.Trains && plan.Training.MaximumUpdates is null ? plan.Training.Epochs : null,
            Updates = fit.Result?.Updates,
            EffectiveBatch = plan.Trains ? plan.Training.EffectiveBatchSize : null,
            Precision = plan.Training.Precision.ToString().ToLowerInvariant(),
            TrainedParameters = summary?.TrainedParameters,
            TotalParameters = model.Network.parameters().Sum(parameter => parameter.numel()),
            TrainSeconds = fit.Result?.ElapsedSeconds,
            TokensPerSecond = fit.History.Steps.Count > 0 ? fit.History.Steps.Average(step => step.TokensPerSecond) : null,
            PeakMemoryBytes = fit.Result is null ? null : fit.PeakMemoryBytes,
            BestUpdate = best?.Update,
            ValidationF1 = best?.Metrics.GetValueOrDefault("f1"),
            TestPrecision = scores.Micro.Precision,
            TestRecall = scores.Micro.Recall,
            TestF1 = scores.Micro.F1,
            TestF1Macro = scores.Macro.F1,
            TestF1Weighted = scores.Weighted.F1,
            TestF1Strict = judgement.Words.Strict.Micro.F1,
            TestAccuracy = scores.Accuracy,
            TestEntities = scores.Micro.Support,
            TestSentences = judgement.Words.Sentences.Count,
            Commit = summary?.Commit ?? "",
            Parameters = JsonSerializer.Serialize(summary?.Settings ?? plan.Training, Compact),
            Link = plan.OutputFolder,
            TrainingSentences = summary?.TrainingRows,
            Method = plan.Trains ? plan.Method.ToString().ToLowerInvariant() : "",
            Types = string.Join(',', plan.Data.Labels.Types),
            LoraRank = plan.Adapters?.Rank,
            LoraAlpha = plan.Adapters?.Alpha,
            FrozenBase = plan.Adapters is null ? "" : plan.FrozenBase.ToString().ToLowerInvariant(),
            BatchSize = plan.Trains ? plan.Training.BatchSize : null,
            WarmupRatio = plan.Trains ? plan.Training.WarmupRatio : null,
            LossAverage = plan.Trains ? plan.Training.LossAverage.ToString().ToLowerInvariant() : "",
            FocalGamma = plan.Trains ? plan.Training.FocalGamma : null,
            ClassWeights = plan.Trains ? plan.ClassWeighting.ToString().ToLowerInvariant() : "",
            Listing = plan.Data.Listing.ToString().ToLowerInvariant(),
            Keep = plan.Trains ? plan.KeepsBest ? "best" : "last" : "",
            Device = model.Network.parameters().First().device_type.ToString().ToLowerInvariant(),
        };
    }

    /// <summary>The run's scores per type, and their averages.</summary>
    public static IReadOnlyList<TypeRow> TypesOf(string runId, SequenceScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        return [.. scores.Types.Append(scores.Micro).Append(scores.Macro).Append(scores.Weighted).Select(score => new TypeRow
        {
            RunId = runId,
            Row = score.Name,
            Precision = score.Precision,
            Recall = score.Recall,
            F1 = score.F1,
            Support = score.Support,
            Predicted = score.Predicted,
        })];
    }

    /// <summary>The table of all runs and the comparison with the published results, saved as Markdown, LaTeX, HTML and CSV.</summary>
    /// <param name="table">All runs.</param>
    /// <param name="folder">Where to; null for <c>results/exports</c>.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static TableView Export(RunTable table, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(table);
        folder ??= Path.Combine(table.Folder, "exports");
        var runs = table.Read();
        string[] files =
        [
            .. TableExport.SaveAll(ResultTables.Runs(runs), runs, folder, "runs"),
            .. TableExport.SaveAll(ResultTables.Comparison(runs), ResultTables.ComparisonRows(runs), folder, "comparison"),
        ];
        return new("Exported tables", [new("file"), new("format")], [.. files.Select(file => new Row([new(file, IsCode: true), Path.GetExtension(file) switch
        {
            ".md" => "Markdown",
            ".tex" => "LaTeX, booktabs",
            ".html" => "one page",
            _ => "CSV",
        }]))]);
    }
}
