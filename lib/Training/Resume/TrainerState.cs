using System.Buffers.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>
/// Everything of a run that is not a weight or a moment: where it stands, which the loop moves on, what it has seen, and the random states. Together with the
/// weights and the optimiser's tensors it continues the run to the bit.
/// </summary>
internal sealed record TrainerState
{
    public const string FileName = "trainer_state.json";
    private const long LargestFile = 256 << 20;

    public int Version { get; init; } = 1;

    /// <summary>Updates done.</summary>
    public int Update { get; set; }

    /// <summary>Epochs done, for readers; the position that counts is <see cref="MicroBatches"/>.</summary>
    public double Epoch { get; init; }

    /// <summary>Micro-batches done since the start: the position in the order of rows.</summary>
    public long MicroBatches { get; set; }

    /// <summary>Micro-batches of the unfinished update whose gradients are in the optimiser's file.</summary>
    public int Accumulated { get; set; }

    /// <summary>Updates that the optimiser made; fewer than <see cref="Update"/> when some were skipped.</summary>
    public int OptimiserUpdates { get; init; }

    /// <summary>Loss of the unfinished update so far.</summary>
    public float UpdateLoss { get; init; }

    /// <summary>Summed losses since the last log.</summary>
    public float LossSinceLog { get; init; }

    /// <summary>Updates made since the last log.</summary>
    public int UpdatesSinceLog { get; set; }

    /// <summary>Summed losses up to the last log.</summary>
    public double LossBeforeLog { get; set; }

    /// <summary>Pieces read since the last log.</summary>
    public long TokensSinceLog { get; set; }

    /// <summary>Seconds of training since the last log.</summary>
    public double SecondsSinceLog { get; set; }

    /// <summary>Seconds of the whole run.</summary>
    public double ElapsedSeconds { get; set; }

    /// <summary>The best value of the best metric, or null before the first evaluation.</summary>
    public double? BestValue { get; set; }

    /// <summary>Evaluations since the best one.</summary>
    public int EvaluationsSinceBest { get; set; }

    /// <summary>True when a stop cut off the evaluation that is due here.</summary>
    public bool IsEvaluationPending { get; set; }

    /// <summary>States of the random generators, base64, by name.</summary>
    public IReadOnlyDictionary<string, string> RandomStates { get; init; } = new Dictionary<string, string>();

    /// <summary>The loss scaler's factor and good updates (float16 only).</summary>
    public double? LossScale { get; init; }

    /// <inheritdoc cref="LossScale"/>
    public int GoodUpdates { get; init; }

    /// <summary>All that was logged.</summary>
    public TrainingHistory History
    {
        get => new([.. Steps], [.. Evaluations]);
        init
        {
            Steps.AddRange(value.Steps);
            Evaluations.AddRange(value.Evaluations);
        }
    }

    /// <summary>The logged steps so far.</summary>
    [JsonIgnore]
    public List<LoggedStep> Steps { get; } = [];

    /// <summary>The evaluations so far.</summary>
    [JsonIgnore]
    public List<LoggedEvaluation> Evaluations { get; } = [];

    /// <summary>The checkpoint's name here.</summary>
    [JsonIgnore]
    public CheckpointName Name => new(Update, Accumulated);

    /// <summary>Hash over the training rows.</summary>
    public string DataFingerprint { get; init; } = "";

    /// <summary>The settings of the run.</summary>
    public TrainingSettings Settings { get; init; } = new();

    /// <summary>What the run decided, for readers.</summary>
    public RunSummary? Summary { get; init; }

    public void Save(string folder) => AtomicFile.WriteText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, StateJson.Options));

    /// <exception cref="InvalidDataException">The file is missing, too large or not of this form.</exception>
    public static TrainerState Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path) || new FileInfo(path).Length > LargestFile)
        {
            throw new InvalidDataException($"{path}: expected a trainer state of at most {LargestFile >> 20} MB; "
                + (File.Exists(path) ? "the file is larger." : "the file is missing.") + " Was the folder written by this library?");
        }

        try
        {
            var state = StrictJson.Deserialize<TrainerState>(File.ReadAllBytes(path), StateJson.Options);
            return state.Version != 1 ? throw new InvalidDataException($"{path}: version {state.Version}; this library reads version 1.")
                : state.FindFault() is { } fault ? throw new InvalidDataException($"{path}: {fault}. Was the file changed? Go on from an older checkpoint.")
                : state;
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}: not a trainer state: {error.Message}", error);
        }
    }

    /// <summary>The states of the random generators as bytes, by name.</summary>
    /// <exception cref="FormatException">One is no base64; a loaded state has none such.</exception>
    public Dictionary<string, byte[]> DecodeRandomStates() =>
        RandomStates.ToDictionary(pair => pair.Key, pair => Convert.FromBase64String(pair.Value), StringComparer.Ordinal);

    private string? FindFault() =>
        Update < 0 || MicroBatches < 0 || Accumulated < 0 || OptimiserUpdates < 0 || UpdatesSinceLog < 0 || TokensSinceLog < 0 || EvaluationsSinceBest < 0
            || GoodUpdates < 0 ? "a count is negative"
        : RandomStates.FirstOrDefault(pair => pair.Value is null || !Base64.IsValid(pair.Value)) is { Key: { } name }
            ? $"the state of the random generator {name} is no base64"
        : Evaluations.Find(evaluation => !evaluation.Metrics.ContainsKey(EvaluationResult.LossMetric)) is { } bare
            ? $"the evaluation at update {bare.Update} has no loss"
        : RandomState.FindFault(DecodeRandomStates());

    // Computed ones follow from others.
    private static readonly HashSet<string> FreeSettings = typeof(TrainingSettings).GetProperties()
        .Where(property => property.IsDefined(typeof(ChangesNoWeightAttribute), inherit: false) || !property.CanWrite)
        .Select(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name)).ToHashSet(StringComparer.Ordinal);

    /// <summary>Settings whose change would make this another run, by name, with both values.</summary>
    public IEnumerable<string> FindContradictions(TrainingSettings now)
    {
        var saved = JsonSerializer.SerializeToNode(Settings, StateJson.Options)!.AsObject();
        var asked = JsonSerializer.SerializeToNode(now, StateJson.Options)!.AsObject();
        return asked
            .Where(pair => !FreeSettings.Contains(pair.Key) && !JsonNode.DeepEquals(pair.Value, saved[pair.Key]))
            .Select(pair => $"{char.ToUpperInvariant(pair.Key[0])}{pair.Key[1..]} is {Text(pair.Value)}, the checkpoint was made with {Text(saved[pair.Key])}");
    }

    private static string Text(JsonNode? node) => node?.ToJsonString() ?? "null";
}

/// <summary>How the trainer writes JSON: readable, enums by name, NaN and infinities by name (a diverged run has them).</summary>
internal static class StateJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };
}
