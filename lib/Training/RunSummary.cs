using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using NotebookLib.Lora;
using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>What a run decided, in one place: shown in the notebook, saved in every checkpoint, sent to tracking.</summary>
/// <param name="Device">Where it computes, for instance <c>cpu, 2 threads</c>.</param>
/// <param name="Precision">Type of matrix products.</param>
/// <param name="TotalParameters">Parameters of the model; with adapters as PEFT counts them.</param>
/// <param name="TrainedParameters">Parameters that require a gradient.</param>
/// <param name="TrainingRows">Sentences to train on.</param>
/// <param name="EvaluationRows">Sentences to evaluate on.</param>
/// <param name="EffectiveBatch">Sentences per update, with the arithmetic.</param>
/// <param name="MicroBatchesPerEpoch">Micro-batches in a pass over the rows.</param>
/// <param name="UpdatesPerEpoch">Updates that an epoch counts for.</param>
/// <param name="Updates">Planned updates.</param>
/// <param name="WarmupUpdates">Updates of warm-up.</param>
/// <param name="Seed">Seed of batch order and dropout.</param>
/// <param name="Versions">NotebookLib, TorchSharp, libtorch, .NET.</param>
/// <param name="Commit">Git commit that the library was built from, or <c>unknown</c>.</param>
/// <param name="Settings">All settings.</param>
public sealed record RunSummary(
    string Device, string Precision, long TotalParameters, long TrainedParameters, int TrainingRows, int EvaluationRows, string EffectiveBatch,
    int MicroBatchesPerEpoch, int UpdatesPerEpoch, int Updates, int WarmupUpdates, long Seed, IReadOnlyDictionary<string, string> Versions, string Commit,
    TrainingSettings Settings)
{
    /// <summary>The adapters' settings; null when the model itself is trained.</summary>
    public LoraSettings? Adapters { get; init; }

    /// <summary>Linear layers that carry an adapter.</summary>
    public int AdaptedLayers { get; init; }

    /// <summary>
    /// Where this process took the run up, as observers are told; null at the run's beginning, and never saved: it says nothing about the run as a whole.
    /// </summary>
    [JsonIgnore]
    public ResumePoint? ResumedFrom { get; init; }

    /// <summary>Epochs done after so many updates, a fraction.</summary>
    /// <param name="updates">Updates since the start of the run.</param>
    public double EpochAfter(int updates) => new TrainingPlan(Settings, TrainingRows).EpochAfter(updates);

    /// <summary>Sums up a run before it starts.</summary>
    /// <param name="model">The model, adapters in place.</param>
    /// <param name="settings">Valid settings.</param>
    /// <param name="plan">The plan made of them.</param>
    /// <param name="evaluationRows">Sentences to evaluate on.</param>
    public static RunSummary Of(nn.Module model, TrainingSettings settings, TrainingPlan plan, int evaluationRows)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(plan);
        var parameters = model.parameters().ToList();
        var device = parameters.Count == 0 ? CPU : parameters[0].device;
        var adapters = model is DebertaV2ForTokenClassification tagger ? LoraAdapters.Of(tagger) : null;
        return new(
            device.type == DeviceType.CPU ? $"cpu, {get_num_threads()} threads" : device.ToString(), settings.Precision.ToString().ToLowerInvariant(),
            LoraAdapters.CountParameters(model), parameters.Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel()),
            plan.Rows, evaluationRows,
            Invariant($"{settings.BatchSize} per micro-batch × {settings.AccumulationSteps} micro-batches = {settings.EffectiveBatchSize} ")
                + "sentences per update",
            plan.MicroBatchesPerEpoch, plan.UpdatesPerEpoch, plan.Updates, plan.WarmupUpdates, settings.Seed, BuildVersions(), BuildCommit(), settings)
        {
            Adapters = adapters?.Settings,
            AdaptedLayers = adapters?.Modules.Count ?? 0,
        };
    }

    private static Dictionary<string, string> BuildVersions() => new(StringComparer.Ordinal)
    {
        ["NotebookLib"] = InformationalVersion(typeof(RunSummary)).Split('+')[0],
        ["TorchSharp"] = InformationalVersion(typeof(torch)).Split('+')[0],
        ["libtorch"] = __version__,
        [".NET"] = RuntimeInformation.FrameworkDescription.Replace(".NET ", "", StringComparison.Ordinal),
    };

    // The SDK appends +commit to the informational version when it builds inside a git repository.
    private static string BuildCommit() => InformationalVersion(typeof(RunSummary)).Split('+') is [_, var commit, ..] ? commit : "unknown";

    private static string InformationalVersion(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? type.Assembly.GetName().Version?.ToString()
            ?? "unknown";
}

/// <summary>Where a run that was stopped or killed goes on.</summary>
/// <param name="Checkpoint">Name of the checkpoint's folder, for instance <c>checkpoint-20</c>.</param>
/// <param name="Update">Updates done by then.</param>
/// <param name="History">All that was logged by then.</param>
public sealed record ResumePoint(string Checkpoint, int Update, TrainingHistory History);
