using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using NotebookLib.Data;
using NotebookLib.Lora;
using NotebookLib.Metrics;
using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// One run, declared once: who it is, what it read, what it decided, how it was trained and what it scored. The row of the table of runs, the model's card and
/// the scores for whoever runs the notebook are made of it, each beside its own user; the tracker's configuration and the cards are made of its parts.
/// </summary>
public sealed record RunRecord
{
    /// <summary>The run's own name, unique.</summary>
    public required string Id { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>What is trained, as the published table names it: <c>base-A</c>, <c>base-B</c>, <c>large-LoRA-A</c>.</summary>
    public required string System { get; init; }

    /// <summary>How much is computed on what: <c>demo</c>, <c>small</c>, <c>full</c>, <c>published</c>.</summary>
    public required string Profile { get; init; }

    /// <summary>Folder of its files, a full path.</summary>
    public string Folder { get; init; } = "";

    /// <summary>The model that it began with: a path, or a name on the Hub.</summary>
    public string Model { get; init; } = "";

    /// <summary>That model's name on the Hub; null when it came from a local folder.</summary>
    public string? BaseModel { get; init; }

    /// <summary>The trained adapters that it went on from; null when it began with none.</summary>
    public string? Adapter { get; init; }

    /// <summary>The labels that are learned.</summary>
    public required LabelSet Labels { get; init; }

    /// <summary>What to call its data.</summary>
    public required string DataName { get; init; }

    /// <summary>The data set on the Hub, or null.</summary>
    public string? Dataset { get; init; }

    /// <summary>The language of the sentences, as the Hub writes it: <c>en</c>; null where nobody knows.</summary>
    public string? Language { get; init; }

    /// <summary>The licence that the weights come under, as the Hub writes it; null leaves it open.</summary>
    public string? Licence { get; init; }

    /// <summary>Which rows of the data counted.</summary>
    public RowListing Listing { get; init; }

    /// <summary>Counts of the splits.</summary>
    public IReadOnlyList<SplitStatistics> Splits { get; init; } = [];

    /// <summary>True when there was no test data, and the scores are those of the validation sentences.</summary>
    public bool TestIsValidation { get; init; }

    /// <summary>What it decided, as the notebook said it.</summary>
    public TrainingSettings Settings { get; init; } = new();

    /// <summary>How rare labels counted in the loss.</summary>
    public ClassWeighting ClassWeights { get; init; }

    /// <summary>Parameters of the model; with adapters as PEFT counts them.</summary>
    public long TotalParameters { get; init; }

    /// <summary>Where the model lies: <c>cpu</c>, <c>cuda</c>.</summary>
    public string Device { get; init; } = "";

    /// <summary>How the frozen layers under adapters are stored; null where there are none.</summary>
    public WeightStorage? FrozenBase { get; init; }

    /// <summary>How it was trained; null where nothing was.</summary>
    public TrainingResult? Training { get; init; }

    /// <summary>Scores on the test split, words, seqeval's default mode.</summary>
    public required SequenceScores Scores { get; init; }

    /// <summary>The same under strict IOB2.</summary>
    public required SequenceScores Strict { get; init; }
}

/// <summary>What a training decided, known before it starts: shown in the notebook, saved in every checkpoint, sent to tracking.</summary>
public sealed record RunSummary
{
    /// <summary>Where it computes, for instance <c>cpu, 2 threads</c>.</summary>
    public string Device { get; init; } = "";

    /// <summary>Type of matrix products.</summary>
    public string Precision => Settings.Precision.ToString().ToLowerInvariant();

    /// <summary>Parameters of the model; with adapters as PEFT counts them.</summary>
    public long TotalParameters { get; init; }

    /// <summary>Parameters that require a gradient.</summary>
    public long TrainedParameters { get; init; }

    /// <summary>Sentences to train on, at least 1.</summary>
    public int TrainingRows { get; init; } = 1;

    /// <summary>Sentences to evaluate on.</summary>
    public int EvaluationRows { get; init; }

    /// <summary>Sentences per update, with the arithmetic.</summary>
    public string EffectiveBatch => Invariant(
        $"{Settings.BatchSize} per micro-batch × {Settings.AccumulationSteps} micro-batches = {Settings.EffectiveBatchSize} sentences per update");

    /// <summary>Micro-batches in a pass over the rows.</summary>
    public int MicroBatchesPerEpoch => Plan.MicroBatchesPerEpoch;

    /// <summary>Updates that an epoch counts for.</summary>
    public int UpdatesPerEpoch => Plan.UpdatesPerEpoch;

    /// <summary>Planned updates.</summary>
    public int Updates => Plan.Updates;

    /// <summary>Updates of warm-up.</summary>
    public int WarmupUpdates => Plan.WarmupUpdates;

    /// <summary>Seed of batch order and dropout.</summary>
    public long Seed => Settings.Seed;

    /// <summary>NotebookLib, TorchSharp, libtorch, .NET.</summary>
    public IReadOnlyDictionary<string, string> Versions { get; init; } = new Dictionary<string, string>();

    /// <summary>Git commit that the library was built from, or <c>unknown</c>.</summary>
    public string Commit { get; init; } = "";

    /// <summary>All settings.</summary>
    public TrainingSettings Settings { get; init; } = new();

    /// <summary>The adapters' settings; null when the model itself is trained.</summary>
    public LoraSettings? Adapters { get; init; }

    /// <summary>Linear layers that carry an adapter.</summary>
    public int AdaptedLayers { get; init; }

    /// <summary>Where this process took the run up, as observers are told; null at the run's beginning, and never saved: it says nothing about the run as a
    /// whole.</summary>
    [JsonIgnore]
    [System.Text.Json.Serialization.JsonInclude]
    internal ResumePoint? ResumedFrom { get; init; }

    private TrainingPlan Plan => new(Settings, TrainingRows);

    /// <summary>Epochs done after so many updates, a fraction.</summary>
    /// <param name="updates">Updates since the start of the run.</param>
    public double EpochAfter(int updates) => Plan.EpochAfter(updates);

    /// <summary>Sums up a run before it starts.</summary>
    /// <param name="model">The model, adapters in place.</param>
    /// <param name="settings">Valid settings.</param>
    /// <param name="trainingRows">Sentences to train on.</param>
    /// <param name="evaluationRows">Sentences to evaluate on.</param>
    internal static RunSummary Of(nn.Module model, TrainingSettings settings, int trainingRows, int evaluationRows)
    {
        var parameters = model.parameters().ToList();
        var device = parameters.Count == 0 ? CPU : parameters[0].device;
        var adapters = model is DebertaV2ForTokenClassification tagger ? LoraAdapters.Of(tagger) : null;
        return new()
        {
            Device = (device.type == DeviceType.CPU ? $"cpu, {get_num_threads()} threads" : device.ToString())
                + (Ranks.Count > 1 ? $" on each of {Ranks.Count} ranks" : ""),
            TotalParameters = LoraAdapters.CountParameters(model),
            TrainedParameters = parameters.Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel()),
            TrainingRows = trainingRows,
            EvaluationRows = evaluationRows,
            Versions = BuildVersions(),
            Commit = Provenance.Commit ?? "unknown",
            Settings = settings,
            Adapters = adapters?.Settings,
            AdaptedLayers = adapters?.Modules.Count ?? 0,
        };
    }

    private static Dictionary<string, string> BuildVersions() => new(StringComparer.Ordinal)
    {
        ["NotebookLib"] = Provenance.VersionOf(typeof(RunSummary)),
        ["TorchSharp"] = Provenance.VersionOf(typeof(torch)),
        ["libtorch"] = __version__,
        [".NET"] = RuntimeInformation.FrameworkDescription.Replace(".NET ", "", StringComparison.Ordinal),
    };
}

/// <summary>Where a run that was stopped or killed goes on.</summary>
/// <param name="Checkpoint">Name of the checkpoint's folder, for instance <c>checkpoint-20</c>.</param>
/// <param name="Update">Updates done by then.</param>
/// <param name="History">All that was logged by then.</param>
internal sealed record ResumePoint(string Checkpoint, int Update, TrainingHistory History);
