using System.Text.RegularExpressions;

namespace NotebookLib.Lora;

/// <summary>One entry of <see cref="LoraSettings.Targets"/>: the end of a module's name, or a regular expression over the whole name, as in PEFT.</summary>
internal sealed partial class LoraTarget
{
    private readonly string _text;
    private readonly Regex? _pattern;

    /// <exception cref="ArgumentException">The text is no regular expression.</exception>
    public LoraTarget(string text)
    {
        _text = text;
        _pattern = IsSuffix(text) ? null : Compile(text);
    }

    /// <summary>True when a module of this name is meant.</summary>
    public bool Matches(string module) =>
        _pattern?.IsMatch(module) ?? (module == _text || module.EndsWith("." + _text, StringComparison.Ordinal));

    /// <summary>True for a plain name.</summary>
    public static bool IsSuffix(string text) => PlainName().IsMatch(text);

    /// <summary>What is wrong with an entry in itself, or null.</summary>
    public static string? FindFault(string? text)
    {
        const string example = "the end of a module's name, for instance query_proj, or a regular expression over the whole name, for instance .*layer\\.[01]\\..*key_proj";
        if (string.IsNullOrWhiteSpace(text))
        {
            return $"Targets has an empty entry; expected {example}.";
        }

        try
        {
            _ = new LoraTarget(text);
            return null;
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            return $"Targets has \"{text}\", which is no regular expression ({error.Message}); expected {example}.";
        }
    }

    /// <summary>The names most like an entry first.</summary>
    public static IEnumerable<string> ByLikeness(string target, IEnumerable<string> names) => names
        .OrderByDescending(name => (double)Pairs(name).Intersect(Pairs(target)).Count() / Math.Max(1, Pairs(name).Union(Pairs(target)).Count()))
        .ThenBy(name => name, StringComparer.Ordinal);

    private static IEnumerable<string> Pairs(string text) => Enumerable.Range(0, Math.Max(0, text.Length - 1)).Select(start => text.Substring(start, 2));

    // The whole name has to match, as re.fullmatch in PEFT; without backtracking, since the text may come with somebody's adapter.
    private static Regex Compile(string pattern) => new($@"\A(?:{pattern})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    [GeneratedRegex(@"\A[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\z")]
    private static partial Regex PlainName();
}
