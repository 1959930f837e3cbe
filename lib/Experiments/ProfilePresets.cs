using NotebookLib.Data;
using NotebookLib.Results;
using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>The four profiles: which model and data, and how they are trained. RECIPE: the original's notebooks; demo and small: ours, measured.</summary>
internal static class ProfilePresets
{
    // The sample has 8,000 sentences: 32 an update, 250 updates an epoch.
    private static readonly TrainingSettings Demo = new()
    {
        BatchSize = 32,
        AccumulationSteps = 1,
        EvaluationBatchSize = 128,
        Epochs = 4,
        LearningRate = 1e-3,
        WarmupRatio = 0.1,
        EvaluateEvery = 0.125,
        SaveEvery = 0.25,
    };

    // 16 sentences × 2 micro-batches = 32 an update; 8,000 sentences: 250 updates an epoch.
    private static readonly TrainingSettings Small = new()
    {
        BatchSize = 16,
        AccumulationSteps = 2,
        EvaluationBatchSize = 64,
        Epochs = 2,
        LearningRate = 1e-4,
        WarmupRatio = 0.05,
        Precision = TrainingPrecision.BFloat16,
        EvaluateEvery = 0.125,
        SaveEvery = 0.25,
    };

    // 16 sentences × 8 micro-batches = 128 an update. Each distinct sentence once and six epochs: the original's three passes over everything twice.
    private static readonly TrainingSettings Base = new() { Epochs = 6 };

    // 8 sentences × 16 micro-batches = 128 an update; 513 updates of warm-up: 5 % of 10,255.
    private static readonly TrainingSettings LargeLora = new()
    {
        BatchSize = 8,
        AccumulationSteps = 16,
        EvaluationBatchSize = 128,
        Epochs = 10,
        LearningRate = 1e-4,
        Schedule = ScheduleShape.Cosine,
        WarmupUpdates = 513,
    };

    /// <summary>How a profile trains.</summary>
    public static TrainingSettings Training(Profile profile, Method method, bool hasCuda) => (profile, method) switch
    {
        (Profile.Demo, Method.Full) => Demo,
        (Profile.Demo, _) => Demo with { LearningRate = 5e-3, Schedule = ScheduleShape.Cosine, WarmupRatio = 0.05 },
        (Profile.Small, Method.Full) => Small,
        (Profile.Small, _) => Small with { LearningRate = 1e-3, Schedule = ScheduleShape.Cosine },
        (_, Method.Full) => Base with { Precision = Half(hasCuda) },
        _ => LargeLora with { Precision = Half(hasCuda) },
    };

    /// <summary>The model that a profile starts from, and the adapter on it.</summary>
    public static (string Model, string? Adapter) Model(Profile profile, Method method, bool isSystemB) => (profile, method) switch
    {
        (Profile.Demo, _) => (RepositoryFiles.PathOf("data", "tiny-deberta-v3"), null),
        (Profile.Small, _) => ("microsoft/deberta-v3-xsmall", null),
        (Profile.Full, Method.Full) => ("microsoft/deberta-v3-base", null),
        (Profile.Full, _) => ("microsoft/deberta-v3-large", null),
        (_, Method.Full) => (isSystemB ? "alexeyak/deberta-v3-base-ner-B" : "alexeyak/deberta-v3-base-ner-A", null),
        _ => ("microsoft/deberta-v3-large", "alexeyak/deberta-v3-large-ner-lora"),
    };

    /// <summary>The sentences that a profile reads.</summary>
    public static DataPlan Data(Profile profile, LabelSet labels)
    {
        var multiNerd = new DataPlan { Name = ProfileData.MultiNerd, Dataset = ProfileData.MultiNerd, Source = LabelSet.SystemA, Labels = labels };
        return profile switch
        {
            Profile.Demo => multiNerd with
            {
                Name = ProfileData.Sample,
                Dataset = null,
                Train = RepositoryFiles.PathOf("data", "sample", "train.parquet"),
                Validation = RepositoryFiles.PathOf("data", "sample", "validation.parquet"),
                Test = RepositoryFiles.PathOf("data", "sample", "test.parquet"),
            },
            Profile.Small => multiNerd with { Name = ProfileData.MultiNerdPart, Most = (8_000, 1_000, 2_000) },
            _ => multiNerd,
        };
    }

    // fp16 as the original where there is a GPU; on a CPU bf16 is the fast one and needs no loss scale.
    private static TrainingPrecision Half(bool hasCuda) => hasCuda ? TrainingPrecision.Float16 : TrainingPrecision.BFloat16;
}
