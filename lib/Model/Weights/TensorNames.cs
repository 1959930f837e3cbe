using System.Text.RegularExpressions;

namespace NotebookLib.Model;

/// <summary>
/// Foreign weight names → ours: the one place that knows how checkpoints of other writers spell things
/// (encoders saved without prefix, wrappers around a model, TensorFlow's gamma and beta, Microsoft's language-model head).
/// </summary>
internal static partial class TensorNames
{
    /// <summary>The parameter that a checkpoint's tensor belongs to.</summary>
    public static string Canonical(string name)
    {
        name = WithoutWrappers(name);
        var spelled = name.EndsWith("LayerNorm.gamma", StringComparison.Ordinal) ? name[..^"gamma".Length] + "weight"
            : name.EndsWith("LayerNorm.beta", StringComparison.Ordinal) ? name[..^"beta".Length] + "bias"
            : name;
        return spelled.StartsWith("embeddings.", StringComparison.Ordinal) || spelled.StartsWith("encoder.", StringComparison.Ordinal) ? "deberta." + spelled
            : spelled == "lm_predictions.lm_head.bias" ? "cls.predictions.bias"
            : spelled.StartsWith("lm_predictions.lm_head.", StringComparison.Ordinal)
            ? "cls.predictions.transform." + spelled["lm_predictions.lm_head.".Length..]
            : spelled;
    }

    /// <summary>
    /// A name without what wrappers put before it: DataParallel's <c>module.</c>, torch.compile's <c>_orig_mod.</c>, a training framework's <c>model.</c>.
    /// </summary>
    public static string WithoutWrappers(string name)
    {
        while (Wrappers.FirstOrDefault(wrapper => name.StartsWith(wrapper, StringComparison.Ordinal)) is { } wrapper)
        {
            name = name[wrapper.Length..];
        }

        return name;
    }

    /// <summary>True for a tensor of a low-rank adapter, which a checkpoint of whole weights must not hold.</summary>
    public static bool IsAdapter(string name) => name.Contains(".lora_", StringComparison.Ordinal);

    /// <summary>True for tensors that other heads own, or that are computed rather than stored.</summary>
    public static bool IsIgnorable(string canonical) => Ignorable().IsMatch(canonical);

    /// <summary>Number of encoder layers that a checkpoint's names speak of.</summary>
    public static int CountLayers(IEnumerable<string> canonicalNames) =>
        canonicalNames.Select(name => LayerNumber().Match(name)).Where(match => match.Success)
            .Select(match => int.TryParse(match.Groups[1].ValueSpan, out var number) && number < 100_000 ? number + 1 : 0).DefaultIfEmpty().Max();

    private static readonly string[] Wrappers = ["module.", "_orig_mod.", "model."];

    [GeneratedRegex(@"^(lm_predictions|mask_predictions|cls|pooler|classifier)\.|(^|\.)position_ids$|^deberta\.embeddings\.position_embeddings\.weight$",
        RegexOptions.NonBacktracking)]
    private static partial Regex Ignorable();

    [GeneratedRegex(@"^deberta\.encoder\.layer\.(\d+)\.", RegexOptions.NonBacktracking)]
    private static partial Regex LayerNumber();
}
