using System.Text.Json;
using System.Text.Json.Serialization;
using NotebookLib.Training;

namespace NotebookLib.Results;

/// <summary>One run in the table of all runs; what a run does not have stays empty.</summary>
public sealed record RunRow
{
    /// <summary>The run's own name, unique in the table.</summary>
    public required string RunId { get; init; }

    /// <summary>When it began, ISO 8601 with offset.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>The system, as the published table names it: <c>base-A</c>, <c>base-B</c>, <c>large-LoRA-A</c>.</summary>
    public required string System { get; init; }

    /// <summary>
    /// How much was computed: <c>demo</c>, <c>full</c>, … Scores of different profiles, or of one profile on different data, cannot be compared.
    /// </summary>
    public required string Profile { get; init; }

    /// <summary>The pre-trained model.</summary>
    public string Model { get; init; } = "";

    /// <summary>The data set; the file's name for data of a user's own.</summary>
    public string Data { get; init; } = "";

    /// <summary>Seed of batch order, dropout and head.</summary>
    public long Seed { get; init; }

    /// <summary>Largest learning rate.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Passes over the training rows.</summary>
    public double? Epochs { get; init; }

    /// <summary>Optimiser updates made.</summary>
    public long? Updates { get; init; }

    /// <summary>Sentences per update.</summary>
    public long? EffectiveBatch { get; init; }

    /// <summary>Type of matrix products.</summary>
    public string Precision { get; init; } = "";

    /// <summary>Parameters that were trained.</summary>
    public long? TrainedParameters { get; init; }

    /// <summary>Parameters of the model; with adapters as PEFT counts them.</summary>
    public long? TotalParameters { get; init; }

    /// <summary>Seconds of training, evaluations included.</summary>
    public double? TrainSeconds { get; init; }

    /// <summary>Pieces without padding per second of training.</summary>
    public double? TokensPerSecond { get; init; }

    /// <summary>Largest resident memory of the process.</summary>
    public long? PeakMemoryBytes { get; init; }

    /// <summary>The update of the best evaluation.</summary>
    public long? BestUpdate { get; init; }

    /// <summary>F1 of the best evaluation, pieces, 0 to 1.</summary>
    public double? ValidationF1 { get; init; }

    /// <summary>Micro precision on the test split, words, lenient, 0 to 1.</summary>
    public double? TestPrecision { get; init; }

    /// <summary>Micro recall on the test split, words, lenient, 0 to 1.</summary>
    public double? TestRecall { get; init; }

    /// <summary>Micro F1 on the test split, words, lenient, 0 to 1.</summary>
    public double? TestF1 { get; init; }

    /// <summary>Mean of the types' F1, 0 to 1.</summary>
    public double? TestF1Macro { get; init; }

    /// <summary>Mean of the types' F1 weighted by support, 0 to 1.</summary>
    public double? TestF1Weighted { get; init; }

    /// <summary>Micro F1 under strict IOB2, 0 to 1.</summary>
    public double? TestF1Strict { get; init; }

    /// <summary>Share of words with the right tag, 0 to 1.</summary>
    public double? TestAccuracy { get; init; }

    /// <summary>Gold entities of the test split.</summary>
    public long? TestEntities { get; init; }

    /// <summary>Sentences of the test split.</summary>
    public long? TestSentences { get; init; }

    /// <summary>Git commit of the library.</summary>
    public string Commit { get; init; } = "";

    /// <summary>Every parameter of the notebook, as JSON.</summary>
    public string Parameters { get; init; } = "";

    /// <summary>Where else to look: a tracker's address, the folder of the model.</summary>
    public string Link { get; init; } = "";

    /// <summary>Sentences that were trained on; rows of earlier versions do not know it.</summary>
    public long? TrainingSentences { get; init; }

    /// <summary>What was trained: <c>full</c>, <c>lora</c>, <c>head</c>; empty where nothing was.</summary>
    public string Method { get; init; } = "";

    /// <summary>The entity types, with commas between.</summary>
    public string Types { get; init; } = "";

    /// <summary>Rank of the adapters.</summary>
    public long? LoraRank { get; init; }

    /// <summary>α of the adapters.</summary>
    public double? LoraAlpha { get; init; }

    /// <summary>How the frozen layers under adapters were stored: <c>float32</c>, <c>bfloat16</c>, <c>int8</c>.</summary>
    public string FrozenBase { get; init; } = "";

    /// <summary>Sentences per micro-batch; <see cref="EffectiveBatch"/> has the update's.</summary>
    public long? BatchSize { get; init; }

    /// <summary>Share of the updates over which the rate rises.</summary>
    public double? WarmupRatio { get; init; }

    /// <summary>How the loss is averaged.</summary>
    public string LossAverage { get; init; } = "";

    /// <summary>Exponent of the focal loss; 0 is cross-entropy.</summary>
    public double? FocalGamma { get; init; }

    /// <summary>Labels' weights in the loss.</summary>
    public string ClassWeights { get; init; } = "";

    /// <summary>Which rows of the data counted.</summary>
    public string Listing { get; init; } = "";

    /// <summary>Which weights were tested: <c>best</c> or <c>last</c>.</summary>
    public string Keep { get; init; } = "";

    /// <summary>Where it was computed: <c>cpu</c>, <c>cuda</c>.</summary>
    public string Device { get; init; } = "";

    private static readonly JsonSerializerOptions Compact = new() { Converters = { new JsonStringEnumConverter() } };

    /// <summary>The row of a run.</summary>
    internal static RunRow Of(RunRecord run)
    {
        var (trained, summary) = (run.Training, run.Training?.Summary);
        var (settings, best, adapters) = (summary?.Settings, trained?.History.Best, summary?.Adapters);
        return new()
        {
            RunId = run.Id,
            Started = run.Started,
            System = run.System,
            Profile = run.Profile,
            Model = run.Adapter is null ? run.Model : $"{run.Model} + {run.Adapter}",
            Data = run.DataName,
            Seed = run.Settings.Seed,
            LearningRate = settings?.LearningRate,
            Epochs = settings is { MaximumUpdates: null } ? settings.Epochs : null,
            Updates = trained?.Updates,
            EffectiveBatch = settings?.EffectiveBatchSize,
            Precision = Word(run.Settings.Precision),
            TrainedParameters = summary?.TrainedParameters,
            TotalParameters = run.TotalParameters,
            TrainSeconds = trained?.ElapsedSeconds,
            TokensPerSecond = trained is { History.Steps.Count: > 0 } ? trained.History.Steps.Average(step => step.TokensPerSecond) : null,
            PeakMemoryBytes = trained?.PeakMemoryBytes,
            BestUpdate = best?.Update,
            ValidationF1 = best?.Metrics.GetValueOrDefault("f1"),
            TestPrecision = run.Scores.Micro.Precision,
            TestRecall = run.Scores.Micro.Recall,
            TestF1 = run.Scores.Micro.F1,
            TestF1Macro = run.Scores.Macro.F1,
            TestF1Weighted = run.Scores.Weighted.F1,
            TestF1Strict = run.Strict.Micro.F1,
            TestAccuracy = run.Scores.Accuracy,
            TestEntities = run.Scores.Micro.Support,
            TestSentences = run.Scores.SentenceCount,
            Commit = summary?.Commit ?? "",
            Parameters = JsonSerializer.Serialize(settings ?? run.Settings, Compact),
            Link = run.Folder,
            TrainingSentences = summary?.TrainingRows,
            Method = trained is null ? "" : adapters is null ? "full" : adapters.TrainsHeadOnly ? "head" : "lora",
            Types = string.Join(',', run.Labels.Types),
            LoraRank = adapters?.Rank,
            LoraAlpha = adapters?.Alpha,
            FrozenBase = adapters is null ? "" : Word(run.FrozenBase),
            BatchSize = settings?.BatchSize,
            WarmupRatio = settings?.WarmupRatio,
            LossAverage = Word(settings?.LossAverage),
            FocalGamma = settings?.FocalGamma,
            ClassWeights = trained is null ? "" : Word(run.ClassWeights),
            Listing = Word(run.Listing),
            Keep = settings is null ? "" : settings.LoadBestAtEnd ? "best" : "last",
            Device = run.Device,
        };
    }

    private static string Word(Enum? value) => value?.ToString().ToLowerInvariant() ?? "";
}

/// <summary>One score of one experiment: runs that differ in their seeds alone.</summary>
internal sealed record ComparisonRow
{
    /// <inheritdoc cref="RunRow.System"/>
    public required string System { get; init; }

    /// <inheritdoc cref="RunRow.Profile"/>
    public required string Profile { get; init; }

    /// <inheritdoc cref="RunRow.Data"/>
    public string Data { get; init; } = "";

    /// <inheritdoc cref="RunRow.Model"/>
    public string Model { get; init; } = "";

    /// <inheritdoc cref="RunRow.Method"/>
    public string Method { get; init; } = "";

    /// <inheritdoc cref="RunRow.Types"/>
    public string Types { get; init; } = "";

    /// <inheritdoc cref="RunRow.Updates"/>
    public long? Updates { get; init; }

    /// <inheritdoc cref="RunRow.LearningRate"/>
    public double? LearningRate { get; init; }

    /// <inheritdoc cref="RunRow.EffectiveBatch"/>
    public long? EffectiveBatch { get; init; }

    /// <inheritdoc cref="RunRow.Precision"/>
    public string Precision { get; init; } = "";

    /// <inheritdoc cref="RunRow.LoraRank"/>
    public long? LoraRank { get; init; }

    /// <inheritdoc cref="RunRow.LoraAlpha"/>
    public double? LoraAlpha { get; init; }

    /// <inheritdoc cref="RunRow.FrozenBase"/>
    public string FrozenBase { get; init; } = "";

    /// <summary>In which settings the experiment differs from the others on the same sentences, for example <c>focal_gamma 2, keep last</c>.</summary>
    public string DiffersIn { get; init; } = "";

    /// <summary>The score's name.</summary>
    public required string Score { get; init; }

    /// <summary>Its mean over the runs, 0 to 1.</summary>
    public double Mean { get; init; }

    /// <summary>Sample standard deviation (n − 1); unknown for one run.</summary>
    public double? Deviation { get; init; }

    /// <summary>How many runs.</summary>
    public long Runs { get; init; }

    /// <summary>Their seeds, with blanks between.</summary>
    public string Seeds { get; init; } = "";

    /// <summary>The published score.</summary>
    public double? Published { get; init; }

    /// <summary>Ours less the published.</summary>
    public double? Difference { get; init; }
}

/// <summary>One entity type, or average, of one run.</summary>
internal sealed record TypeRow
{
    /// <summary>The run, as in <see cref="RunRow.RunId"/>.</summary>
    public required string RunId { get; init; }

    /// <summary>Entity type, or <c>micro avg</c>, <c>macro avg</c>, <c>weighted avg</c>.</summary>
    public required string Row { get; init; }

    /// <summary>0 to 1.</summary>
    public double Precision { get; init; }

    /// <summary>0 to 1.</summary>
    public double Recall { get; init; }

    /// <summary>0 to 1.</summary>
    public double F1 { get; init; }

    /// <summary>Gold entities.</summary>
    public long Support { get; init; }

    /// <summary>Predicted entities.</summary>
    public long Predicted { get; init; }

    /// <summary>The rows of a run: its types, then their averages.</summary>
    internal static IReadOnlyList<TypeRow> Of(RunRecord run) =>
    [
        .. run.Scores.Types.Append(run.Scores.Micro).Append(run.Scores.Macro).Append(run.Scores.Weighted).Select(score => new TypeRow
        {
            RunId = run.Id,
            Row = score.Name,
            Precision = score.Precision,
            Recall = score.Recall,
            F1 = score.F1,
            Support = score.Support,
            Predicted = score.Predicted,
        }),
    ];
}
