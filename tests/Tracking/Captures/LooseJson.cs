using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>
/// Reads JSON as W&amp;B's clients write it, with bare NaN and Infinity, and compares by value: 1 equals 1.0, the order of members does not count.
/// </summary>
internal static partial class LooseJson
{
    private const string Mark = "\u2060bare:";

    /// <summary>Bare words become marked strings.</summary>
    public static JsonNode? Parse(string text) =>
        JsonNode.Parse(Tokens().Replace(text, match => match.Value[0] == '"' ? match.Value : $"\"{Mark}{match.Value}\""));

    /// <summary>Plain values: dictionaries, lists, numbers, NaN.</summary>
    public static object? Value(JsonNode? node) => node switch
    {
        null => null,
        JsonObject members => members.ToDictionary(member => member.Key, member => Value(member.Value)),
        JsonArray items => items.Select(Value).ToList(),
        _ => Leaf(node.AsValue()),
    };

    /// <summary>Every leaf with its path: <c>history[3].nested.b.c</c>.</summary>
    public static IEnumerable<(string Path, string Value)> Leaves(JsonNode? node, string path = "") => node switch
    {
        JsonObject { Count: > 0 } members => members.SelectMany(member => Leaves(member.Value, path.Length == 0 ? member.Key : $"{path}.{member.Key}")),
        JsonArray { Count: > 0 } items => items.SelectMany((item, i) => Leaves(item, $"{path}[{i}]")),
        _ => [(path, Text(node))],
    };

    private static string Text(JsonNode? node) => node is JsonValue value && value.GetValueKind() is JsonValueKind.Number
        ? Leaf(value) is long whole ? whole.ToString(System.Globalization.CultureInfo.InvariantCulture)
        : ((double)Leaf(value)!).ToString("R", System.Globalization.CultureInfo.InvariantCulture)
        : node?.ToJsonString() ?? "null";

    private static object? Leaf(JsonValue value) => value.GetValueKind() switch
    {
        JsonValueKind.String when value.GetValue<string>().StartsWith(Mark, StringComparison.Ordinal) => value.GetValue<string>()[Mark.Length..] switch
        {
            "NaN" => double.NaN,
            "Infinity" => double.PositiveInfinity,
            _ => double.NegativeInfinity,
        },
        JsonValueKind.String => value.GetValue<string>(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => Number(value.ToJsonString()),
    };

    private static object Number(string text)
    {
        if (long.TryParse(text, out var whole))
        {
            return whole;
        }

        var number = double.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
        return number == Math.Floor(number) && Math.Abs(number) < 1e15 ? (long)number : number;
    }

    [GeneratedRegex("""
        "(?:[^"\\]|\\.)*"|-?Infinity|NaN
        """)]
    private static partial Regex Tokens();
}
