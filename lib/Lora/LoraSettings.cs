using System.Globalization;

namespace NotebookLib.Lora;

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
    /// <summary>Width of the adapters' inner layer.</summary>
    public int Rank { get; init; } = 4;

    /// <summary>The adapters' output is multiplied by alpha / rank.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Probability that an element of an adapter's input becomes zero in training.</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>
    /// Which linear layers are adapted. A plain name counts as the end of a module's name (<c>query_proj</c>, <c>attention.output.dense</c>); anything with
    /// another character than letters, digits, _ and . is a regular expression over the whole name (<c>.*layer\.2[0-3]\..*key_proj</c>).
    /// </summary>
    public IReadOnlyList<string> Targets { get; init; } = ["query_proj", "key_proj"];

    /// <summary>
    /// Leaves the adapters as initialised, so that they change nothing, and trains the head alone: what the published large run did in effect, since its gradient
    /// checkpointing cut the graph before the adapters (transformers 4.35.2 with peft 0.7.0).
    /// </summary>
    public bool TrainsHeadOnly { get; init; }

    /// <summary>Name of the pre-trained model, written into a saved adapter's configuration: where PEFT takes the base from.</summary>
    public string BaseModel { get; init; } = "";

    /// <summary>Factor of the adapters' output.</summary>
    public double Scale => Alpha / Rank;

    /// <summary>Finds every fault that shows without a model.</summary>
    /// <returns>One line per fault, each with the value seen and one that would work; empty when all is well.</returns>
    public IReadOnlyList<string> FindFaults()
    {
        var faults = new List<string>();
        Require(Rank is >= 1 and <= 4096, nameof(Rank), Rank, "a width from 1 to 4096, for instance 4", faults);
        Require(Alpha > 0 && double.IsFinite(Alpha), nameof(Alpha), Alpha, "above 0, for instance 8 (twice the rank)", faults);
        Require(Dropout is >= 0 and < 1, nameof(Dropout), Dropout, "a probability from 0 to below 1, for instance 0.1", faults);
        Require(Targets is { Count: > 0 }, nameof(Targets), Targets is null ? "null" : "empty", "at least one name, for instance query_proj", faults);
        Require(BaseModel is not null, nameof(BaseModel), "null", "a name, for instance microsoft/deberta-v3-large, or nothing", faults);
        foreach (var target in Targets ?? [])
        {
            if (LoraTarget.FindFault(target) is { } fault)
            {
                faults.Add(fault);
            }
        }

        return faults;
    }

    /// <summary>Refuses settings that cannot work.</summary>
    /// <exception cref="ArgumentException">All faults together, a line each.</exception>
    public void Validate() => ThrowIfFaulty(FindFaults());

    /// <exception cref="ArgumentException">There are faults: all together.</exception>
    internal static void ThrowIfFaulty(IReadOnlyList<string> faults)
    {
        if (faults.Count > 0)
        {
            throw new ArgumentException($"The LoRA settings have {faults.Count} {(faults.Count == 1 ? "fault" : "faults")}:\n"
                + string.Join('\n', faults.Select(fault => "  " + fault)));
        }
    }

    private static void Require(bool holds, string name, object? seen, string expected, List<string> faults)
    {
        if (!holds)
        {
            faults.Add($"{name} is {Convert.ToString(seen, CultureInfo.InvariantCulture)}; expected {expected}.");
        }
    }
}
