using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Model;

/// <summary>Takes keys out of a JSON object one by one, gathering every fault, so that the reader hears of all of them at once.</summary>
internal sealed class ConfigKeys(JsonObject json)
{
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);
    private readonly List<string> _faults = [];

    /// <summary>A number, truth value or text; the default when the key is missing or null.</summary>
    public T Take<T>(string key, T missing)
    {
        _taken.Add(key);
        if (json[key] is not { } node)
        {
            return missing;
        }

        if (node is JsonValue value && (value.TryGetValue<T>(out var found) || TryFromDouble(value, out found)))
        {
            return found!;
        }

        _faults.Add($"{key}: {Shown(node)}; expected {Kind(typeof(T))}");
        return missing;
    }

    /// <summary>A whole number, or null when missing.</summary>
    public int? TakeOptional(string key) => json[key] is null ? Ignored(key) : Take(key, 0);

    /// <summary>Terms written as a list or joined by <c>|</c>: <c>["p2c","c2p"]</c> or <c>"p2c|c2p"</c>.</summary>
    public IReadOnlyList<string> TakeTerms(string key)
    {
        if (json[key] is JsonArray list)
        {
            _taken.Add(key);
            var terms = list.Select(item => item is JsonValue value && value.TryGetValue<string>(out var term) ? term : null).ToList();
            if (terms.Contains(null))
            {
                _faults.Add($"{key}: {Shown(list)}; expected a list of texts");
            }

            return [.. terms.OfType<string>().Select(term => term.ToLowerInvariant()).Where(IsTerm)];
        }

        return [.. Take(key, "").ToLowerInvariant().Split('|', StringSplitOptions.TrimEntries).Where(IsTerm)];
    }

    /// <summary>Label names from <c>id2label</c>; from <c>num_labels</c> or two when it is missing, named as transformers names them.</summary>
    public IReadOnlyList<string> TakeLabels()
    {
        var count = Take("num_labels", 2);
        _taken.Add("label2id");
        _taken.Add("id2label");
        if (json["id2label"] is null)
        {
            return [.. Enumerable.Range(0, Math.Clamp(count, 0, 100_000)).Select(id => $"LABEL_{id}")];
        }

        if (json["id2label"] is not JsonObject names)
        {
            _faults.Add($"id2label: {Shown(json["id2label"]!)}; expected an object of id and name");
            return ["LABEL_0"];
        }

        var labels = new string?[names.Count];
        foreach (var (key, name) in names)
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var id) || id >= labels.Length
                || name is not JsonValue value || !value.TryGetValue<string>(out labels[id]))
            {
                _faults.Add($"id2label: entry \"{key}\"; expected the ids 0 to {labels.Length - 1}, each with a name");
            }
        }

        return [.. labels.Select((label, id) => label ?? $"LABEL_{id}")];
    }

    /// <summary>What nobody asked for.</summary>
    public JsonObject Rest() =>
        new(json.Where(pair => !_taken.Contains(pair.Key)).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone())));

    /// <exception cref="InvalidDataException">A key had a wrong kind of value; every one is named.</exception>
    public void ThrowIfFaulty()
    {
        if (_faults.Count > 0)
        {
            throw new InvalidDataException($"{_faults.Count} fault(s) in the model's configuration:\n  " + string.Join("\n  ", _faults));
        }
    }

    private static bool IsTerm(string term) => term is not ("" or "none");

    private int? Ignored(string key)
    {
        _taken.Add(key);
        return null;
    }

    // Python writes 512.0 where someone computed a size.
    private static bool TryFromDouble<T>(JsonValue value, out T? found)
    {
        found = default;
        if (typeof(T) != typeof(int) || !value.TryGetValue<double>(out var number) || number != Math.Floor(number) || Math.Abs(number) > int.MaxValue)
        {
            return false;
        }

        found = (T)(object)(int)number;
        return true;
    }

    private static string Shown(JsonNode node)
    {
        var text = node.ToJsonString(JsonSerializerOptions.Default);
        return text.Length <= 60 ? text : text[..57] + "...";
    }

    private static string Kind(Type type) =>
        type == typeof(int) ? "a whole number" : type == typeof(double) ? "a number" : type == typeof(bool) ? "true or false" : "a text";
}
