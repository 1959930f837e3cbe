using System.Text.RegularExpressions;

namespace NotebookLib.Lora;

/// <summary>
/// Chooses modules by their names as PEFT does (peft 0.21.2, tuners_utils.py <c>check_target_module_exists</c>, utils/other.py <c>get_pattern_key</c>).
/// </summary>
internal static partial class ModuleNames
{
    /// <summary>Stands for every linear layer.</summary>
    public const string AllLinear = "all-linear";

    // Only expressions that look ahead or behind can need long, and only in a hostile file: module names are short.
    private static readonly TimeSpan LongestMatch = TimeSpan.FromSeconds(10);

    /// <summary>True for the end of a name, false for a regular expression.</summary>
    public static bool IsPlain(string text) => PlainName().IsMatch(text);

    /// <summary>True when an entry of targets or exclusions means a module.</summary>
    public static bool Matches(string entry, string module) => IsPlain(entry)
        ? module == entry || module.EndsWith("." + entry, StringComparison.Ordinal)
        : Expression($@"\A(?:{Translate(entry)})\z").IsMatch(module);

    /// <summary>True when one of the adapters' targets means a module, its layer's number among those that are chosen.</summary>
    public static bool IsTarget(LoraSettings settings, string module) => (settings.Targets ?? []).Any(target =>
        Matches(target, module)
            && (settings.Layers is not { Count: > 0 } layers || !IsPlain(target) || module == target || LayerOf(settings.LayersPattern, module) is { } layer
            && layers.Contains(layer)));

    /// <summary>True when a pattern's key means a module: the whole name, or its end behind a dot.</summary>
    public static bool EndsInPattern(string key, string module) => Expression($@"\A(?:.*\.)?(?:{Translate(key)})\z").IsMatch(module);

    /// <summary>True when a module is one of those that are saved whole, or lies in one.</summary>
    public static bool IsWithin(string saved, string module) => Expression($@"\A(?:.*\.)?{Regex.Escape(saved)}(?:\z|\.)").IsMatch(module);

    /// <summary>What is wrong with an entry in itself, or null.</summary>
    public static string? FindFault(string setting, string? entry) => FindFault(setting, entry,
        "the end of a module's name, for instance query_proj, or a regular expression over the whole name, for instance .*layer\\.[01]\\..*key_proj", Matches);

    /// <summary>What is wrong with a pattern's key in itself, or null.</summary>
    public static string? FindPatternFault(string setting, string? key) =>
        FindFault(setting, key, "the end of a module's name, for instance query_proj, or a regular expression of it", EndsInPattern);

    /// <summary>The names most like an entry first.</summary>
    public static IEnumerable<string> ByLikeness(string target, IEnumerable<string> names) => names
        .OrderByDescending(name => (double)Pairs(name).Intersect(Pairs(target)).Count() / Math.Max(1, Pairs(name).Union(Pairs(target)).Count()))
        .ThenBy(name => name, StringComparer.Ordinal);

    private static string? FindFault(string setting, string? entry, string expected, Func<string, string, bool> matches)
    {
        if (string.IsNullOrWhiteSpace(entry))
        {
            return $"{setting} has an empty entry; expected {expected}.";
        }

        try
        {
            _ = matches(entry, "deberta.encoder.layer.0.attention.self.query_proj");
            return null;
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException or RegexMatchTimeoutException)
        {
            return $"{setting} has \"{entry}\", which is no regular expression that can be used here ({error.Message}); expected {expected}.";
        }
    }

    /// <summary>The number of the layer that a module lies in.</summary>
    private static int? LayerOf(IReadOnlyList<string>? patterns, string module) => (patterns is { Count: > 0 } ? patterns.Select(Translate) : [@"[^.]*"])
        .Select(pattern => Expression($@"\A.*?\.(?:{pattern})\.([0-9]+)\.").Match(module)).FirstOrDefault(match => match.Success) is { } found
        && int.TryParse(found.Groups[^1].ValueSpan, out var layer) ? layer : null;

    // Without backtracking where that is possible, since the text may come with somebody's adapter.
    private static Regex Expression(string pattern)
    {
        try
        {
            return new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, LongestMatch);
        }
        catch (NotSupportedException)
        {
            return new(pattern, RegexOptions.CultureInvariant, LongestMatch);
        }
    }

    /// <summary>Python's spelling → .NET's, where they differ: named groups, the end of a text, flags for kinds of text.</summary>
    private static string Translate(string pattern) => Foreign().Replace(pattern, part => part.Value switch
    {
        "(?P<" => "(?<",
        @"\Z" => @"\z",
        ['(', '?', 'P', '=', .. var name, ')'] => $@"\k<{name}>",
        ['(', '?', .. var flags, ')'] =>
            flags.Replace("a", "", StringComparison.Ordinal).Replace("u", "", StringComparison.Ordinal) is { Length: > 0 } others ? $"(?{others})" : "",
        // An escaped character that only looks like one of the others.
        var other => other,
    });

    private static IEnumerable<string> Pairs(string text) => Enumerable.Range(0, Math.Max(0, text.Length - 1)).Select(start => text.Substring(start, 2));

    [GeneratedRegex(@"\\Z|\\.|\(\?P<|\(\?P=\w+\)|\(\?[aiumsx]*[au][aiumsx]*\)", RegexOptions.Singleline)]
    private static partial Regex Foreign();

    [GeneratedRegex(@"\A[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\z")]
    private static partial Regex PlainName();
}
