using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>
/// Everything that a training run decides. Defaults are those of the original's base-A notebook and, where that says nothing, of transformers 4.35.2.
/// Variants are <c>with</c> expressions.
/// </summary>
public sealed record TrainingSettings
{
    /// <summary>Sentences per micro-batch.</summary>
    [Expected("a number of sentences from 1 on, for instance 16", Least = 1)]
    public int BatchSize { get; init; } = 16;

    /// <summary>Micro-batches per update. 16 sentences × 8 = 128 sentences an update.</summary>
    [Expected("a number of micro-batches from 1 on, for instance 8", Least = 1)]
    public int AccumulationSteps { get; init; } = 8;

    /// <summary>
    /// Pieces that go through the network at once, at most; one micro-batch always does. Null leaves it to the device: as many of an update's micro-batches as
    /// <see cref="EncoderEngine.ActivationBudget"/> holds on a CPU, as the free memory holds on CUDA, by an estimate. The update is the same up to rounding:
    /// <see cref="BatchSize"/> and <see cref="AccumulationSteps"/> alone decide the numbers.
    /// </summary>
    [ChangesNoWeight]
    [Expected("a number of pieces from 1 on, for instance 4096, or null to let the device decide", Least = 1)]
    public int? PiecesPerPass { get; init; }

    /// <summary>
    /// Sentences per evaluation batch, of which the evaluation loss is made; how many batches go through at once, <see cref="PiecesPerPass"/> says.
    /// </summary>
    [ChangesNoWeight]
    [Expected("a number of sentences from 1 on, for instance 16", Least = 1)]
    public int EvaluationBatchSize { get; init; } = 16;

    /// <summary>In which order evaluation rows form batches.</summary>
    [ChangesNoWeight]
    public EvaluationOrder EvaluationOrder { get; init; } = EvaluationOrder.SortedByLength;

    /// <summary>Passes over the training rows; may be a fraction. Ignored when <see cref="MaximumUpdates"/> is set.</summary>
    [Expected("a number of passes above 0, for instance 3", Above = 0, Most = 1e6, Unless = nameof(MaximumUpdates))]
    public double Epochs { get; init; } = 3;

    /// <summary>Updates of the whole run, or null to let <see cref="Epochs"/> decide.</summary>
    [Expected("a number of updates from 1 on, or null to let Epochs decide", Least = 1)]
    public int? MaximumUpdates { get; init; }

    /// <summary>Largest learning rate, reached at the end of the warm-up.</summary>
    [Expected("a rate above 0, for instance 5e-5", Above = 0)]
    public double LearningRate { get; init; } = 5e-5;

    /// <summary>Decoupled weight decay per unit of learning rate; biases and LayerNorm weights are left out.</summary>
    [Expected("0 or more, for instance 0.01", Least = 0)]
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>AdamW's decay of the running mean of gradients.</summary>
    [Expected("0 up to below 1, for instance 0.9", Least = 0, Below = 1)]
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the running mean of squared gradients.</summary>
    [Expected("0 up to below 1, for instance 0.999", Least = 0, Below = 1)]
    public double Beta2 { get; init; } = 0.999;

    /// <summary>AdamW's addend of the denominator.</summary>
    [Expected("above 0, for instance 1e-8", Above = 0)]
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>How the learning rate falls after the warm-up.</summary>
    public ScheduleShape Schedule { get; init; } = ScheduleShape.Linear;

    /// <summary>Updates over which the learning rate rises from 0; when 0, <see cref="WarmupRatio"/> decides.</summary>
    [Expected("0 or more", Least = 0)]
    public int WarmupUpdates { get; init; }

    /// <summary>Warm-up as a fraction of all updates, rounded up.</summary>
    [Expected("a fraction of the run between 0 and 1, for instance 0.05", Least = 0, Most = 1)]
    public double WarmupRatio { get; init; }

    /// <summary>Gradients whose total 2-norm is larger are scaled down to it; 0 switches clipping off.</summary>
    [Expected("a norm above 0, for instance 1, or 0 for no clipping", Least = 0, Most = double.PositiveInfinity)]
    public double MaximumGradientNorm { get; init; } = 1;

    /// <summary>Seed of the batch order (epoch e, from 0, uses seed + e · (e + 1) / 2, as the original's stack does: 42, 43, 45, 48) and of dropout.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>In which type matrix products run.</summary>
    public TrainingPrecision Precision { get; init; } = TrainingPrecision.Float32;

    /// <summary>Over what the loss is averaged.</summary>
    public LossAverage LossAverage { get; init; } = LossAverage.MeanOfMeans;

    /// <summary>Weight of each label in the loss, in label order; null for equal weights.</summary>
    public IReadOnlyList<double>? ClassWeights { get; init; }

    /// <summary>Focal loss exponent γ (Lin et al. 2017): pieces that are already right count less. 0 is cross-entropy.</summary>
    [Expected("0 for cross-entropy, or for instance 2", Least = 0)]
    public double FocalGamma { get; init; }

    /// <summary>How often loss, rate, norm and speed are logged.</summary>
    [ChangesNoWeight]
    [Expected(Interval.Words)]
    public Interval LogEvery { get; init; } = 10;

    /// <summary>How often the evaluation rows are scored.</summary>
    [ChangesNoWeight]
    [Expected(Interval.Words)]
    public Interval EvaluateEvery { get; init; } = 257;

    /// <summary>How often a checkpoint is written; the end of the run always writes one.</summary>
    [ChangesNoWeight]
    [Expected(Interval.Words)]
    public Interval SaveEvery { get; init; } = 1026;

    /// <summary>
    /// What best means: <c>f1</c>, <c>precision</c>, <c>recall</c>, <c>accuracy</c>, <c>f1_macro</c>, <c>f1_weighted</c>, <c>f1_strict</c>, … (larger is
    /// better) or <c>loss</c> (smaller is).
    /// </summary>
    public string BestMetric { get; init; } = "f1";

    /// <summary>
    /// At the end the model holds the weights of the best evaluation, not the last ones (transformers' <c>load_best_model_at_end</c>); a run without evaluation
    /// keeps the last.
    /// </summary>
    [ChangesNoWeight]
    public bool LoadBestAtEnd { get; init; }

    /// <summary>The run ends after so many evaluations in a row without a new best; null to go on to the end.</summary>
    [ChangesNoWeight]
    [Expected("evaluations from 1 on, for instance 3, or null", Least = 1)]
    public int? EarlyStoppingPatience { get; init; }

    /// <summary>Newest checkpoints kept, the last one included; the best model is kept besides.</summary>
    [ChangesNoWeight]
    [Expected("at least 1, for instance 2", Least = 1)]
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>What happens at a loss or gradient norm that is not finite.</summary>
    [ChangesNoWeight]
    public NonFiniteAction OnNonFinite { get; init; } = NonFiniteAction.Stop;

    /// <summary>Where checkpoints go: <c>checkpoint-N</c>, <c>best</c>.</summary>
    [ChangesNoWeight]
    [Expected("a folder, for instance runs/base-A")]
    public string OutputFolder { get; init; } = "output";

    /// <summary>What to do when the output folder holds a run already.</summary>
    [ChangesNoWeight]
    public ExistingRun ExistingRun { get; init; } = ExistingRun.Refuse;

    /// <summary>Sentences per update: batch × accumulation.</summary>
    public int EffectiveBatchSize => BatchSize * AccumulationSteps;

    /// <summary>Finds every contradiction at once.</summary>
    /// <returns>One line per fault, each with the value seen and one that would work; empty when all is well.</returns>
    public IReadOnlyList<string> FindFaults() => TrainingSettingsRules.FindFaults(this);

    /// <summary>Refuses settings that cannot work.</summary>
    /// <exception cref="ArgumentException">All faults together, a line each.</exception>
    public void Validate() => SettingRules.ThrowIfFaulty("training", FindFaults());

    /// <summary>Refuses settings of a training and its adapters that cannot work, before a long load or run.</summary>
    /// <param name="model">The base.</param>
    /// <param name="adapters">What will be attached to it.</param>
    /// <exception cref="ArgumentException">All faults of both together, a line each.</exception>
    public void Validate(DebertaV2ForTokenClassification model, LoraSettings adapters) =>
        SettingRules.ThrowIfFaulty("training", [.. FindFaults(), .. LoraAdapters.FindFaults(model, adapters)]);
}

/// <summary>A setting that may be another when a run goes on: the same weights come out.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ChangesNoWeightAttribute : Attribute;

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum ScheduleShape
{
    /// <summary>In a straight line to 0.</summary>
    Linear,

    /// <summary>Along half a cosine to 0 (Loshchilov and Hutter 2017, without restarts).</summary>
    Cosine,

    /// <summary>It stays.</summary>
    Constant,
}

/// <summary>In which type matrix products run.</summary>
public enum TrainingPrecision
{
    /// <summary>float32 throughout.</summary>
    Float32,

    /// <summary>bfloat16 autocast: weights, optimiser, loss, softmax and norms stay float32.</summary>
    BFloat16,

    /// <summary>float16 autocast with loss scaling, CUDA only.</summary>
    Float16,

    /// <summary>
    /// int8 in the encoder's products, on a CPU with VNNI: for evaluation and tagging, not for training. Softmax, norms, residual sums and the head stay
    /// float32.
    /// </summary>
    Int8,
}

/// <summary>Over what the training loss is averaged.</summary>
public enum LossAverage
{
    /// <summary>The mean over the labelled pieces of each micro-batch, then the mean over the micro-batches of the update: the original.</summary>
    MeanOfMeans,

    /// <summary>The mean over all labelled pieces of the update, so that 1 × 16 equals 4 × 4.</summary>
    LabelledPieces,
}

/// <summary>In which order evaluation rows form batches. The evaluation loss depends on it a little, as a mean over batches of different make-up.</summary>
public enum EvaluationOrder
{
    /// <summary>Longest first: hardly any padding.</summary>
    SortedByLength,

    /// <summary>As given, as the reference does.</summary>
    AsGiven,
}

/// <summary>What happens at a loss or gradient norm that is not finite.</summary>
public enum NonFiniteAction
{
    /// <summary>The run stops with an error.</summary>
    Stop,

    /// <summary>The update is left out and the run goes on.</summary>
    SkipUpdate,
}

/// <summary>What to do when the output folder holds checkpoints already.</summary>
public enum ExistingRun
{
    /// <summary>Refuse to start.</summary>
    Refuse,

    /// <summary>Go on from the newest whole checkpoint; start afresh when there is none.</summary>
    Resume,

    /// <summary>Remove the old checkpoints and start afresh.</summary>
    Replace,

    /// <summary>
    /// Go on with a run that was stopped or killed; replace one that is finished. What a notebook's training cell does when it is told to train once more.
    /// </summary>
    ReplaceFinished,
}
