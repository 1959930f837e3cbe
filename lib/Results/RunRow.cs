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

    /// <summary>How much was computed: <c>demo</c>, <c>full</c>, … Scores of different profiles, or of one profile on different data, cannot be compared.</summary>
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

    /// <summary>Parameters of the model.</summary>
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
}

/// <summary>One entity type, or average, of one run.</summary>
public sealed record TypeRow
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
}
