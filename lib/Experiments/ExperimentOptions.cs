namespace NotebookLib.Experiments;

/// <summary>
/// What a notebook's parameter cell says: plain values as people type them. Null means "as the profile has it". <see cref="ExperimentPlan.Of"/> makes a plan of
/// them, or reports everything that is wrong at once.
/// </summary>
public sealed record ExperimentOptions
{
    /// <summary>How much is computed on what: <c>demo</c>, <c>small</c>, <c>full</c>, <c>published</c>.</summary>
    public string Profile { get; init; } = "demo";

    /// <summary>Which entity types: <c>A</c> for all fifteen of MultiNERD, <c>B</c> for five of them.</summary>
    public string System { get; init; } = "A";

    /// <summary>What is trained: <c>full</c> for all weights, <c>lora</c> for low-rank adapters on query and key, <c>head</c> for the head alone.</summary>
    public string Method { get; init; } = "full";

    /// <summary>A pre-trained or fine-tuned model: a folder, or a name on the Hub such as <c>microsoft/deberta-v3-base</c>.</summary>
    public string? Model { get; init; }

    /// <summary>Folder or file of the tokenizer (<c>spm.model</c>); null takes the model's.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Your own training sentences: Parquet, JSON lines, CoNLL or CoNLL-U, gzipped or not.</summary>
    public string? TrainData { get; init; }

    /// <summary>Your own validation sentences; null splits <see cref="ValidationRows"/> off the training sentences.</summary>
    public string? ValidationData { get; init; }

    /// <summary>Your own test sentences; null tests on the validation sentences, and says so.</summary>
    public string? TestData { get; init; }

    /// <summary>Sentences split off your training sentences for validation: the last of them in the order of torch.randperm seeded 0. Null takes a tenth, at least one.</summary>
    public int? ValidationRows { get; init; }

    /// <summary>The entity types of your data, with commas between; null takes the system's.</summary>
    public string? Types { get; init; }

    /// <summary>What becomes of entity types that are not among the known ones: <c>error</c> reports them, <c>outside</c> reads them as O.</summary>
    public string OtherTypes { get; init; } = "error";

    /// <summary>Which rows count: <c>distinct</c> (each sentence once), <c>listed</c> (as the file has them), <c>published</c> (everything twice, as the original read it).</summary>
    public string? Listing { get; init; }

    /// <summary>Training sentences to use at most; null takes the profile's number, 0 takes all.</summary>
    public int? TrainRows { get; init; }

    /// <summary>Seed of the new head, the adapters, the batch order and dropout.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Passes over the training sentences.</summary>
    public double? Epochs { get; init; }

    /// <summary>Optimiser updates; wins over <see cref="Epochs"/>.</summary>
    public int? Updates { get; init; }

    /// <summary>Largest learning rate.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Warm-up as a share of all updates.</summary>
    public double? WarmupRatio { get; init; }

    /// <summary>Sentences per micro-batch.</summary>
    public int? BatchSize { get; init; }

    /// <summary>Micro-batches per update.</summary>
    public int? AccumulationSteps { get; init; }

    /// <summary>Type of matrix products: <c>float32</c>, <c>bfloat16</c>, <c>float16</c> (CUDA only).</summary>
    public string? Precision { get; init; }

    /// <summary>Evaluations: every so many updates, or as a share of the run when below 1.</summary>
    public double? EvaluateEvery { get; init; }

    /// <summary>Checkpoints: every so many updates, or as a share of the run when below 1.</summary>
    public double? SaveEvery { get; init; }

    /// <summary>How the loss is averaged: <c>means</c> (the original's mean of means) or <c>pieces</c> (over all labelled pieces of an update).</summary>
    public string LossAverage { get; init; } = "means";

    /// <summary>Focal loss exponent; 0 is cross-entropy.</summary>
    public double FocalGamma { get; init; }

    /// <summary>Labels' weights in the loss: <c>none</c>, <c>sqrt</c> (1 / √n, n pieces in training) or <c>effective</c> (effective number of samples).</summary>
    public string ClassWeights { get; init; } = "none";

    /// <summary>Which weights are tested and saved: those of the <c>best</c> evaluation or the <c>last</c>.</summary>
    public string Keep { get; init; } = "best";

    /// <summary>Train a second time for comparison: <c>full</c> from random weights, <c>lora</c> with the head alone, as the published run did; <c>head</c> has nothing left out to compare with. Null: in the demo.</summary>
    public bool? Compare { get; init; }

    /// <summary>Rank of the adapters.</summary>
    public int LoraRank { get; init; } = 4;

    /// <summary>Scale of the adapters times their rank.</summary>
    public double LoraAlpha { get; init; } = 8;

    /// <summary>How the linear layers under adapters are stored: <c>float32</c>, <c>bfloat16</c> or <c>int8</c>, less memory for more time (docs/TRAINING.md).</summary>
    public string FrozenBase { get; init; } = "float32";

    /// <summary>Weights and Biases: <c>auto</c> (online when a key is found), <c>online</c>, <c>offline</c>, <c>disabled</c>.</summary>
    public string Tracking { get; init; } = "offline";

    /// <summary>Publish the result on the Hub under this name, <c>organisation/name</c>, privately; null publishes nothing.</summary>
    public string? Push { get; init; }

    /// <summary>Folder for the run's files; null takes the runner's, else a new one under <c>results/runs</c>. One that holds an earlier run is refused unless <see cref="Resume"/> is set.</summary>
    public string? Output { get; init; }

    /// <summary>Go on with the run whose checkpoints are in <see cref="Output"/>.</summary>
    public bool Resume { get; init; }
}
