using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NotebookLib.Platform;

namespace NotebookLib.Lora;

/// <summary>Which of the base's own biases are trained beside adapters.</summary>
public enum TrainedBiases
{
    /// <summary>None.</summary>
    None,

    /// <summary>Those of the adapted layers (PEFT's <c>lora_only</c>).</summary>
    Adapted,

    /// <summary>All of the model's.</summary>
    All,
}

/// <summary>
/// What low-rank adapters look like and where they sit (LoRA, Hu et al. 2021). Defaults are those of the original's large-LoRA notebook.
/// </summary>
/// <remarks>
/// <code>
///        x ──────────── W (frozen) ──────────── + ── y
///        └─ dropout ─ A [rank, in] ─ B [out, rank] ─ · alpha / rank ─┘
/// </code>
/// </remarks>
public sealed record LoraSettings
{
    /// <summary>Width of the adapters' inner layer; null takes that of the adapters that training starts from.</summary>
    [Expected(Width, Least = 1, Most = LargestRank, IsNeeded = true)]
    public int? Rank { get; init; } = 4;

    /// <summary>The adapters' output is multiplied by alpha / rank; null takes the alpha of the adapters that training starts from.</summary>
    [Expected("above 0, for instance 8 (twice the rank)", Above = 0, IsNeeded = true)]
    public double? Alpha { get; init; } = 8;

    /// <summary>
    /// Probability that an element of an adapter's input becomes zero in training; null takes that of the adapters that training starts from.
    /// </summary>
    [Expected("a probability from 0 to below 1, for instance 0.1", Least = 0, Below = 1, IsNeeded = true)]
    public double? Dropout { get; init; } = 0.1;

    /// <summary>
    /// Which linear layers are adapted. A plain name counts as the end of a module's name (<c>query_proj</c>, <c>attention.output.dense</c>); anything with
    /// another character than letters, digits, _ and . is a regular expression over the whole name, in Python's spelling (<c>.*layer\.2[0-3]\..*key_proj</c>).
    /// <c>all-linear</c> is every linear layer; <c>word_embeddings</c> adapts the table of word vectors. Null takes those of the adapters that training starts
    /// from.
    /// </summary>
    [Expected("at least one name, for instance query_proj", IsNeeded = true)]
    public IReadOnlyList<string>? Targets { get; init; } = ["query_proj", "key_proj"];

    /// <summary>Of these, which are left out, by names as in <see cref="Targets"/>; null leaves out none.</summary>
    public IReadOnlyList<string>? Excluded { get; init; }

    /// <summary>Numbers of the encoder's layers that are adapted, from 0; null takes all. Only targets that are the end of a name are chosen so.</summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>What stands before a layer's number in the names of modules, for instance <c>layer</c>; null takes whatever stands there.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>Other ranks for some layers: the end of a module's name, or a regular expression of it, and the rank. The first that matches counts.</summary>
    public IReadOnlyDictionary<string, int>? RankPattern { get; init; }

    /// <summary>Other alphas for some layers, as in <see cref="RankPattern"/>.</summary>
    public IReadOnlyDictionary<string, double>? AlphaPattern { get; init; }

    /// <summary>The adapters' output is multiplied by alpha / √rank instead, so that larger ranks learn as fast (rsLoRA, Kalajdzievski 2023, eq. 4).</summary>
    public bool UsesRankStabilisation { get; init; }

    /// <summary>
    /// The adapter changes the direction of a weight's rows, and a trained number each their length (DoRA, Liu et al. 2024, eq. 5): W' = m (W + scale · B A) /
    /// ‖W + scale · B A‖.
    /// </summary>
    public bool UsesMagnitudes { get; init; }

    /// <summary>Whether B has a bias of its own (PEFT's <c>lora_bias</c>).</summary>
    public bool HasBias { get; init; }

    /// <summary>Which of the base's own biases are trained and saved too.</summary>
    public TrainedBiases Biases { get; init; }

    /// <summary>Whether the head is trained and saved whole; without it the base's head stays as it is, and can be adapted like another layer.</summary>
    public bool TrainsHead { get; init; } = true;

    /// <summary>Modules besides the head that are trained and saved whole, by the ends of their names (<c>LayerNorm</c>); null for none.</summary>
    public IReadOnlyList<string>? SavedModules { get; init; }

    /// <summary>
    /// Leaves the adapters as initialised, so that they change nothing, and trains the head alone: what the published large run did in effect, since its
    /// gradient checkpointing cut the graph before the adapters (transformers 4.35.2 with peft 0.7.0).
    /// </summary>
    public bool TrainsHeadOnly { get; init; }

    /// <summary>Name of the pre-trained model, written into a saved adapter's configuration: where PEFT takes the base from.</summary>
    public string BaseModel { get; init; } = "";

    /// <summary>Adapters as they were saved, whatever they look like.</summary>
    internal static LoraSettings AsSaved { get; } = new() { Rank = null, Alpha = null, Dropout = null, Targets = null };

    /// <summary>Factor of the adapters' output where no pattern says otherwise.</summary>
    [JsonIgnore]
    public double Scale => ScaleOf(Rank ?? 0, Alpha ?? 0);

    /// <summary>Keys of a loaded configuration that change no numbers; they are saved again.</summary>
    [JsonIgnore]
    internal JsonObject? OtherKeys { get; init; }

    /// <summary>Finds every fault that shows without a model.</summary>
    /// <returns>One line per fault, each with the value seen and one that would work; empty when all is well.</returns>
    public IReadOnlyList<string> FindFaults()
    {
        var faults = SettingRules.FindFaults(this);
        void Require(bool holds, string name, object? seen, string expected) => SettingRules.Require(holds, name, seen, expected, faults);
        Require(BaseModel is not null, nameof(BaseModel), "null", "a name, for instance microsoft/deberta-v3-large, or nothing");
        Require(TrainsHead || !TrainsHeadOnly, nameof(TrainsHeadOnly), true, "false where TrainsHead is false");
        Require(!UsesMagnitudes || !HasBias, nameof(HasBias), true, "false where UsesMagnitudes is true");
        faults.AddRange((Targets ?? []).Select(target => ModuleNames.FindFault(nameof(Targets), target)).OfType<string>());
        faults.AddRange((Excluded ?? []).Select(name => ModuleNames.FindFault(nameof(Excluded), name)).OfType<string>());
        faults.AddRange((RankPattern?.Keys ?? []).Select(key => ModuleNames.FindPatternFault(nameof(RankPattern), key)).OfType<string>());
        faults.AddRange((AlphaPattern?.Keys ?? []).Select(key => ModuleNames.FindPatternFault(nameof(AlphaPattern), key)).OfType<string>());
        foreach (var (name, rank) in RankPattern ?? new Dictionary<string, int>())
        {
            Require(rank is >= 1 and <= LargestRank, $"{nameof(RankPattern)}[{name}]", rank, Width);
        }

        foreach (var (name, alpha) in AlphaPattern ?? new Dictionary<string, double>())
        {
            Require(alpha > 0 && double.IsFinite(alpha), $"{nameof(AlphaPattern)}[{name}]", alpha, "above 0, for instance 8");
        }

        return faults;
    }

    /// <summary>The rank of one module's adapter.</summary>
    internal int RankOf(string module) =>
        RankPattern?.FirstOrDefault(pair => ModuleNames.EndsInPattern(pair.Key, module)) is { Key: not null } found ? found.Value : Rank ?? 0;

    /// <summary>The factor of one module's adapter.</summary>
    internal double ScaleOf(string module) =>
        ScaleOf(RankOf(module), AlphaPattern?.FirstOrDefault(pair => ModuleNames.EndsInPattern(pair.Key, module)) is { Key: not null } found
            ? found.Value : Alpha ?? 0);

    /// <summary>
    /// What training on from adapters that are there asks for: what is null or nothing is theirs, dropout and what is trained may be another, everything else
    /// decides what the saved numbers mean and is theirs.
    /// </summary>
    /// <param name="there">What they look like.</param>
    internal LoraSettings StartingFrom(LoraSettings there) => there with
    {
        Dropout = Dropout ?? there.Dropout,
        TrainsHeadOnly = TrainsHeadOnly,
        BaseModel = BaseModel.Length > 0 ? BaseModel : there.BaseModel,
    };

    /// <summary>What is asked for and cannot be had with adapters that are there, a line each: they look as they look.</summary>
    /// <param name="there">What they look like.</param>
    /// <param name="name">What to call them.</param>
    internal IReadOnlyList<string> FindConflicts(LoraSettings there, string name)
    {
        var faults = new List<string>();
        Compare(nameof(Rank), Rank, there.Rank);
        Compare(nameof(Alpha), Alpha, there.Alpha);
        Compare(nameof(Targets), Listed(Targets), Listed(there.Targets));
        Compare(nameof(Excluded), Listed(Excluded), Listed(there.Excluded));
        Compare(nameof(Layers), Listed(Layers), Listed(there.Layers));
        Compare(nameof(LayersPattern), Listed(LayersPattern), Listed(there.LayersPattern));
        Compare(nameof(RankPattern), Listed(RankPattern), Listed(there.RankPattern));
        Compare(nameof(AlphaPattern), Listed(AlphaPattern), Listed(there.AlphaPattern));
        Compare(nameof(UsesRankStabilisation), UsesRankStabilisation ? true : null, there.UsesRankStabilisation);
        Compare(nameof(UsesMagnitudes), UsesMagnitudes ? true : null, there.UsesMagnitudes);
        Compare(nameof(HasBias), HasBias ? true : null, there.HasBias);
        Compare(nameof(Biases), Biases == TrainedBiases.None ? null : Biases, there.Biases);
        Compare(nameof(SavedModules), Listed(SavedModules), Listed(there.SavedModules));
        return faults;

        void Compare(string setting, object? asked, object? found)
        {
            if (asked is not null && !asked.Equals(found))
            {
                faults.Add(Invariant($"{setting} is {asked}, but the adapters to start from ({name}) have {found ?? "none"}: ")
                    + Invariant($"what they look like cannot be changed. Leave {setting} unset."));
            }
        }
    }

    private const int LargestRank = 4096;
    private const string Width = "a width from 1 to 4096, for instance 4";

    private static string? Listed<T>(IEnumerable<T>? items) =>
        items is null ? null : string.Join(", ", items.Select(item => Invariant($"{item}")).Order(StringComparer.Ordinal));

    private double ScaleOf(int rank, double alpha) => UsesRankStabilisation ? alpha / Math.Sqrt(rank) : alpha / rank;
}
