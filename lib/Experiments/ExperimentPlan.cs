using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>How much is computed on what.</summary>
public enum Profile
{
    /// <summary>The sample and the tiny model of this repository: minutes on two cores, no network.</summary>
    Demo,

    /// <summary>deberta-v3-xsmall and a part of MultiNERD: for a CPU.</summary>
    Small,

    /// <summary>The published experiment: for a GPU.</summary>
    Full,

    /// <summary>The authors' fine-tuned weights on the whole test split: nothing is trained.</summary>
    Published,
}

/// <summary>What is trained.</summary>
public enum Method
{
    /// <summary>All weights.</summary>
    Full,

    /// <summary>Low-rank adapters on query and key, and the head.</summary>
    Lora,

    /// <summary>The head alone, on frozen features: what the published large run came to.</summary>
    Head,
}

/// <summary>Everything that an experiment decides, resolved from a profile and the parameters of a notebook.</summary>
public sealed record ExperimentPlan
{
    /// <summary>The name of the published experiment that this one repeats: <c>base-A</c>, <c>base-B</c>, <c>large-LoRA-A</c>; also for a stand-in model.</summary>
    public required string System { get; init; }

    /// <summary>How much is computed on what.</summary>
    public required Profile Profile { get; init; }

    /// <summary>What is trained.</summary>
    public required Method Method { get; init; }

    /// <summary>Where the sentences come from.</summary>
    public required DataPlan Data { get; init; }

    /// <summary>The model to start from: a folder, or a name on the Hub.</summary>
    public required string Model { get; init; }

    /// <summary>An adapter to put on the model before it is tested, or null: only the <c>published</c> profile has one.</summary>
    public string? Adapter { get; init; }

    /// <summary>Folder or file of the tokenizer, or null for the model's.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Settings of the adapters; null when none are trained.</summary>
    public Lora.LoraSettings? Adapters { get; init; }

    /// <summary>How the frozen linear layers under adapters are stored.</summary>
    public WeightStorage FrozenBase { get; init; }

    /// <summary>Whether activations are computed again on the way back instead of kept.</summary>
    public bool RecomputesActivations { get; init; }

    /// <summary>How it is trained; the weights that <see cref="ClassWeighting"/> names are only known with the data: <see cref="TrainingOn"/>.</summary>
    public required TrainingSettings Training { get; init; }

    /// <summary>Labels' weights in the loss.</summary>
    public ClassWeighting ClassWeighting { get; init; }

    /// <summary>How it is trained on given sentences.</summary>
    public TrainingSettings TrainingOn(ExperimentData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return Training with { ClassWeights = ClassWeights.Of(ClassWeighting, data.TrainRows, data.Labels.Count) };
    }

    /// <summary>Whether the best evaluation's weights are tested and saved, rather than the last.</summary>
    public bool KeepsBest { get; init; } = true;

    /// <summary>Whether a second training shows what the first is worth.</summary>
    public bool Compares { get; init; }

    /// <summary>Weights and Biases: <c>auto</c>, <c>online</c>, <c>offline</c>, <c>disabled</c>.</summary>
    public string Tracking { get; init; } = "offline";

    /// <summary>Where the result is published on the Hub, or null.</summary>
    public string? Push { get; init; }

    /// <summary>Folder of the run's files.</summary>
    public required string OutputFolder { get; init; }

    /// <summary>The profile's name, as people type it.</summary>
    public string ProfileName => Profile.ToString().ToLowerInvariant();

    /// <summary>The published experiment whose scores and curves ours can stand beside; null for data of your own.</summary>
    // The published large run trained its head alone, so that is what a head of ours stands beside.
    public string? PublishedSystem => Data.IsOwn ? null : Results.Published.Systems.FirstOrDefault(published => published == System.Replace("head", "LoRA", StringComparison.Ordinal));

    /// <summary>Its scores per type, or null.</summary>
    public IReadOnlyList<Charts.TypeF1>? PublishedTypes => PublishedSystem is null ? null : Results.Published.TypeF1(PublishedSystem);

    /// <summary>Its curves, or null.</summary>
    public Charts.PublishedCurves? PublishedCurves => PublishedSystem is null ? null : Results.Published.Curves(PublishedSystem);

    /// <summary>False in the <c>published</c> profile.</summary>
    public bool Trains => Profile != Profile.Published;

    /// <summary>The run's own name: when it began, what and which seed.</summary>
    public string RunId { get; init; } = "";

    /// <summary>When the plan was made.</summary>
    public DateTimeOffset Started { get; init; } = DateTimeOffset.Now;

    /// <summary>Makes a plan.</summary>
    /// <param name="options">What the parameter cell says.</param>
    /// <exception cref="ArgumentException">All contradictions together, each with the value seen and one that would work.</exception>
    public static ExperimentPlan Of(ExperimentOptions options) => new PlanResolver(options).Resolve();
}

/// <summary>Where the sentences of an experiment come from.</summary>
public sealed record DataPlan
{
    /// <summary>What to call it in tables.</summary>
    public required string Name { get; init; }

    /// <summary>True for data that a user brought: no published number belongs beside them.</summary>
    public bool IsOwn { get; init; }

    /// <summary>A data set on the Hub, or null when the files are local.</summary>
    public string? Dataset { get; init; }

    /// <summary>File of the training sentences; null when the data come from the Hub or nothing is trained.</summary>
    public string? Train { get; init; }

    /// <summary>File of the validation sentences; null splits them off the training sentences.</summary>
    public string? Validation { get; init; }

    /// <summary>File of the test sentences; null tests on the validation sentences.</summary>
    public string? Test { get; init; }

    /// <summary>Sentences split off for validation; null takes a tenth, at least one.</summary>
    public int? ValidationRows { get; init; }

    /// <summary>Sentences to use at most of training, validation and test; null takes all.</summary>
    public (int Train, int Validation, int Test)? Most { get; init; }

    /// <summary>Names the tags in the files.</summary>
    public required LabelSet Source { get; init; }

    /// <summary>The labels that are learned; types of the source that it lacks become O before alignment.</summary>
    public required LabelSet Labels { get; init; }

    /// <summary>What becomes of types that the source's label set lacks.</summary>
    public UnknownTypes UnknownTypes { get; init; }

    /// <summary>Which rows count.</summary>
    public RowListing Listing { get; init; }
}
