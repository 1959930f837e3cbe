using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;
using YamlDotNet.RepresentationModel;

namespace NotebookLib.Data;

/// <summary>
/// What the numbers of a file stand for, where somebody wrote it down: the features that Python's datasets library keeps in a Parquet file's metadata
/// (datasets 2.15, arrow_writer.py, <c>_build_metadata</c>), in <c>dataset_info.json</c> or in a README's header; or a <c>label2id</c>.
/// </summary>
internal static class LabelNames
{
    /// <summary>Key of the features in a Parquet file's metadata.</summary>
    public const string MetadataKey = "huggingface";

    private const int MostBytes = 4 << 20;
    private const int MostYamlNodes = 100_000;
    private const int MostNames = 10_000;
    private static readonly string[] Beside =
        ["dataset_info.json", "dataset_infos.json", "features.json", "label.json", "labels.json", "label2id.json", "README.md"];

    /// <summary>The features of the files that are written here.</summary>
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

    /// <summary>The names by number in a JSON text, or null when it says nothing of them.</summary>
    /// <param name="json">Features, or a document with features, label2id or id2label within.</param>
    /// <param name="field">Field or column of the tags.</param>
    public static IReadOnlyList<string>? InJson(string json, string field = "ner_tags")
    {
        try
        {
            using var document = StrictJson.Parse(json);
            return In(document.RootElement, field);
        }
        catch (JsonException)
        {
            // Something of another origin: it names no labels.
            return null;
        }
    }

    /// <inheritdoc cref="InJson"/>
    public static IReadOnlyList<string>? In(JsonElement root, string field = "ner_tags") =>
        root.ValueKind == JsonValueKind.Array ? Tags(root) : root.ValueKind != JsonValueKind.Object
            ? null : FeaturesIn(root, field, 0) ?? Pairs(root) ?? (root.TryGetProperty("label2id", out var ids) ? Pairs(ids) : null)
            ?? (root.TryGetProperty("id2label", out var names) ? Listed(names) : null)
            ?? root.EnumerateObject().Select(pair => Tags(pair.Value)).FirstOrDefault(found => found is not null);

    /// <summary>The names that a file in the same folder, or the one above, gives.</summary>
    /// <param name="path">The data file.</param>
    /// <param name="field">Field or column of the tags.</param>
    /// <returns>The names by number and the file that has them, or null.</returns>
    public static (IReadOnlyList<string> Names, string File)? FindBeside(string path, string field)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path));
        foreach (var place in new[] { folder, Path.GetDirectoryName(folder) }.OfType<string>())
        {
            foreach (var file in Beside.Select(name => Path.Combine(place, name)).Where(file => File.Exists(file) && new FileInfo(file).Length <= MostBytes))
            {
                var text = File.ReadAllText(file);
                if ((file.EndsWith(".md", StringComparison.Ordinal) ? InReadme(text, field) : InJson(text, field)) is { Count: > 0 } names)
                {
                    return (names, Path.GetFileName(file));
                }
            }
        }

        return null;
    }

    private static IReadOnlyList<string>? FeaturesIn(JsonElement element, string field, int level)
    {
        if (level > 4)
        {
            return null;
        }

        if (element.ValueKind == JsonValueKind.Array)
        {
            return element.EnumerateArray().Take(1000).Select(item => FeaturesIn(item, field, level + 1)).FirstOrDefault(names => names is not null);
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        return element.TryGetProperty("features", out var features) && Feature(features, field) is { } feature && Names(feature, 0) is { } found ? found
            : element.EnumerateObject().Where(child => child.Name != "features").Select(child => FeaturesIn(child.Value, field, level + 1))
                .FirstOrDefault(names => names is not null);
    }

    // {"ner_tags": {…}} in JSON, [{"name": "ner_tags", …}] in a README.
    private static JsonElement? Feature(JsonElement features, string field) => features.ValueKind switch
    {
        JsonValueKind.Object => features.TryGetProperty(field, out var feature) ? feature : null,
        JsonValueKind.Array =>
            features.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.Object && item.TryGetProperty("name", out var name)
                && name.ValueKind == JsonValueKind.String && name.GetString() == field)
            .Select(item => (JsonElement?)item).FirstOrDefault(),
        _ => null,
    };

    private static IReadOnlyList<string>? Names(JsonElement element, int level)
    {
        if (level > 6)
        {
            return null;
        }

        return element.ValueKind switch
        {
            JsonValueKind.Object when element.TryGetProperty("names", out var names) && Listed(names) is { } listed => listed,
            JsonValueKind.Object => element.EnumerateObject().Select(child => Names(child.Value, level + 1)).FirstOrDefault(names => names is not null),
            JsonValueKind.Array => element.EnumerateArray().Take(100).Select(child => Names(child, level + 1)).FirstOrDefault(names => names is not null),
            _ => null,
        };
    }

    // A list of tags, whatever it is called: texts, each once, O among them.
    private static List<string>? Tags(JsonElement list) => list.ValueKind == JsonValueKind.Array && list.GetArrayLength() is > 1 and <= MostNames
        && list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) && Listed(list) is { } names
        && names.Exists(name => TagNames.IsOutside(name)) && names.Distinct(StringComparer.Ordinal).Count() == names.Count ? names : null;

    // ["O", "B-PER"] or {"0": "O", "1": "B-PER"}.
    private static List<string>? Listed(JsonElement names)
    {
        var pairs = names.ValueKind switch
        {
            JsonValueKind.Array => names.EnumerateArray().Select((name, id) => (Id: Invariant($"{id}"), Name: name)),
            JsonValueKind.Object => names.EnumerateObject().Select(pair => (Id: pair.Name, Name: pair.Value)),
            _ => [],
        };
        return InOrder(pairs.Where(pair => pair.Name.ValueKind == JsonValueKind.String).Select(pair => (pair.Id, pair.Name.GetString()!)));
    }

    // {"O": 0, "B-PER": 1}.
    private static List<string>? Pairs(JsonElement ids) =>
        ids.ValueKind != JsonValueKind.Object || !ids.EnumerateObject().All(pair => pair.Value.ValueKind == JsonValueKind.Number) ? null
        : InOrder(ids.EnumerateObject().Select(pair => (pair.Value.GetRawText(), pair.Name)));

    private static List<string>? InOrder(IEnumerable<(string Id, string Name)> pairs)
    {
        var byId = new SortedDictionary<int, string>();
        foreach (var (id, name) in pairs)
        {
            if (!int.TryParse(id, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number)
                || !byId.TryAdd(number, name))
            {
                return null;
            }
        }

        return byId.Count > 0 && byId.Keys.First() == 0 && byId.Keys.Last() == byId.Count - 1 ? [.. byId.Values] : null;
    }

    private static IReadOnlyList<string>? InReadme(string text, string field)
    {
        var end = text.StartsWith("---", StringComparison.Ordinal) ? text.IndexOf("\n---", 3, StringComparison.Ordinal) : -1;
        if (end < 0)
        {
            return null;
        }

        try
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text[3..end]));
            var left = MostYamlNodes;
            return yaml.Documents.Count > 0 && Converted(yaml.Documents[0].RootNode, ref left) is { } json ? InJson(json.ToJsonString(), field) : null;
        }
        catch (Exception error) when (error is YamlDotNet.Core.YamlException or InvalidDataException)
        {
            return null;
        }
    }

    private static JsonNode? Converted(YamlNode node, ref int left)
    {
        if (--left < 0)
        {
            throw new InvalidDataException("the header has too many entries");
        }

        switch (node)
        {
            case YamlMappingNode mapping:
                var map = new JsonObject();
                foreach (var (key, value) in mapping.Children)
                {
                    map[key.ToString()] = Converted(value, ref left);
                }

                return map;
            case YamlSequenceNode sequence:
                var list = new JsonArray();
                foreach (var item in sequence.Children)
                {
                    list.Add(Converted(item, ref left));
                }

                return list;
            default:
                return JsonValue.Create(node.ToString());
        }
    }
}
