using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Training;

namespace NotebookLib.Bench.Study;

/// <summary>One way of fine-tuning that the study compares with the others.</summary>
/// <param name="Name">What tables and command line call it.</param>
/// <param name="Training">How it is trained, seed and folder apart.</param>
/// <param name="Weighting">Weights of labels in the loss.</param>
/// <param name="Adapters">LoRA on a frozen base; null trains every weight.</param>
/// <param name="Storage">How a frozen base is stored.</param>
internal sealed record StudyVariant(
    string Name, TrainingSettings Training, ClassWeighting Weighting = ClassWeighting.None, LoraSettings? Adapters = null,
    WeightStorage Storage = WeightStorage.Dense)
{
    // What the demo does with its 8,000 sentences: 32 an update, 250 updates an epoch.
    private static readonly TrainingSettings Full = new()
    {
        BatchSize = 32,
        AccumulationSteps = 1,
        EvaluationBatchSize = 128,
        Epochs = 4,
        LearningRate = 1e-3,
        WarmupRatio = 0.1,
        LogEvery = 50,
        EvaluateEvery = Interval.Never,
        SaveEvery = Interval.Never,
        ExistingRun = ExistingRun.Replace,
    };

    private static readonly TrainingSettings Lora = Full with { LearningRate = 5e-3, Schedule = ScheduleShape.Cosine, WarmupRatio = 0.05 };

    private static readonly TrainingSettings LoraHalf = Lora with { Precision = TrainingPrecision.BFloat16 };

    /// <summary>All of them; the first is what the others are compared with.</summary>
    public static IReadOnlyList<StudyVariant> All { get; } =
    [
        new("cross-entropy", Full),
        new("weighted, 1/√n", Full, ClassWeighting.InverseSquareRoot),
        new("weighted, effective number", Full, ClassWeighting.EffectiveNumber),
        new("focal, γ 1", Full with { FocalGamma = 1 }),
        new("focal, γ 2", Full with { FocalGamma = 2 }),
        new("focal, γ 2, 1/√n", Full with { FocalGamma = 2 }, ClassWeighting.InverseSquareRoot),
        new("bf16", Full with { Precision = TrainingPrecision.BFloat16 }),
        new("LoRA", Lora, Adapters: new()),
        new("LoRA, bf16", LoraHalf, Adapters: new()),
        new("LoRA, bf16, base in bf16", LoraHalf, Adapters: new(), Storage: WeightStorage.BFloat16),
        new("LoRA, bf16, base in int8", LoraHalf, Adapters: new(), Storage: WeightStorage.Int8),
        new("head only", Lora, Adapters: new() { TrainsHeadOnly = true }),
    ];
}
