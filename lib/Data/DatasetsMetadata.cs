using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Data;

/// <summary>
/// The features that Python's datasets library keeps in a Parquet file's metadata: written so that it knows our label names, read so that ids are never
/// taken for another file's. Layout: datasets 2.15, arrow_writer.py, <c>_build_metadata</c>.
/// </summary>
internal static class DatasetsMetadata
{
    public const string Key = "huggingface";

    public static string Describe(LabelSet labels)
    {
        static JsonObject Text() => new() { ["dtype"] = "string", ["_type"] = "Value" };
        static JsonObject Sequence(JsonObject feature) => new() { ["feature"] = feature, ["_type"] = "Sequence" };
        var names = new JsonArray([.. labels.Names.Select(name => JsonValue.Create(name))]);
        var features = new JsonObject
        {
            ["tokens"] = Sequence(Text()),
            ["ner_tags"] = Sequence(new JsonObject { ["names"] = names, ["_type"] = "ClassLabel" }),
            ["lang"] = Text(),
        };
        return new JsonObject { ["info"] = new JsonObject { ["features"] = features } }.ToJsonString();
    }

    /// <returns>The names by id, or null when the text says nothing of them.</returns>
    public static IReadOnlyList<string>? LabelNames(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Descend(document.RootElement, "info", "features", "ner_tags", "feature", "names") is { ValueKind: JsonValueKind.Array } names
                ? [.. names.EnumerateArray().Select(name => name.GetString() ?? "")]
                : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Metadata of another origin under the same key: it names no labels.
            return null;
        }
    }

    private static JsonElement? Descend(JsonElement element, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(key, out element))
            {
                return null;
            }
        }

        return element;
    }
}
