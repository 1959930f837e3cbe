using System.Text.Json;

namespace NotebookLib.Data;

/// <summary>What kind of rows a JSON file has.</summary>
internal enum JsonRowKind
{
    /// <summary>A list of words and a list of tags.</summary>
    WordsAndTags,

    /// <summary>A text and a list of spans of characters.</summary>
    TextAndSpans,

    /// <summary>A list of objects, one for each word, with its text and its tag.</summary>
    TokenObjects,

    /// <summary>Label Studio's export: data and annotations with results.</summary>
    LabelStudio,

    /// <summary>spaCy 2's documents of paragraphs of sentences of tokens.</summary>
    SpacyDocuments,

    /// <summary>spaCy 2's examples: [text, {"entities": [[start, end, label]]}].</summary>
    SpacyPairs,

    /// <summary>A word a row.</summary>
    Flat,
}

/// <summary>How the rows of a JSON file are laid out: seen in the first of them, held against all.</summary>
/// <param name="Kind">What kind of rows.</param>
/// <param name="Words">Field of the words, or of the text.</param>
/// <param name="Tags">Field of the tags, or of the spans.</param>
internal sealed record JsonLayout(JsonRowKind Kind, string Words, string Tags)
{
    /// <summary>The fields, for people.</summary>
    public string Description => Kind switch
    {
        JsonRowKind.WordsAndTags => $"words {Words}, tags {Tags}",
        JsonRowKind.TextAndSpans => $"text {Words}, spans of characters {Tags}",
        JsonRowKind.TokenObjects => $"objects in {Words}, one for each word",
        JsonRowKind.LabelStudio => "Label Studio's tasks: text and spans of characters",
        JsonRowKind.SpacyDocuments => "spaCy's documents, paragraphs, sentences, tokens",
        JsonRowKind.SpacyPairs => "pairs of a text and its entities as spans of characters (spaCy)",
        _ => "a word a row",
    };

    /// <summary>The layout of rows.</summary>
    /// <param name="rows">The first ones.</param>
    /// <param name="options">Fields that are given.</param>
    /// <returns>Null where no known layout fits.</returns>
    public static JsonLayout? Of(IReadOnlyList<JsonElement> rows, ReaderOptions options)
    {
        if (rows.Any(IsSpacyPair))
        {
            return new(JsonRowKind.SpacyPairs, "", "");
        }

        var objects = rows.Where(row => row.ValueKind == JsonValueKind.Object).ToList();
        if (objects.Exists(row => Has(row, "paragraphs", JsonValueKind.Array)))
        {
            return new(JsonRowKind.SpacyDocuments, "", "");
        }

        if (objects.Exists(row => Has(row, "data", JsonValueKind.Object)
            && (Has(row, "annotations", JsonValueKind.Array) || Has(row, "completions", JsonValueKind.Array) || Has(row, "predictions", JsonValueKind.Array))))
        {
            return new(JsonRowKind.LabelStudio, "", "");
        }

        return WordsAndTags(objects, options) ?? TextAndSpans(objects, options) ?? TokenObjects(objects) ?? Flat(objects, options);
    }

    /// <summary>The names of the fields of rows, in a message.</summary>
    public static string Names(IReadOnlyList<JsonElement> rows) =>
        FieldNames.Listed(rows.Where(row => row.ValueKind == JsonValueKind.Object).SelectMany(row => row.EnumerateObject()).Select(field => field.Name)
            .Distinct());

    /// <summary>[text, {"entities": …}].</summary>
    public static bool IsSpacyPair(JsonElement row) => row.ValueKind == JsonValueKind.Array && row.GetArrayLength() == 2
        && row[0].ValueKind == JsonValueKind.String && row[1].ValueKind == JsonValueKind.Object;

    private static bool Has(JsonElement row, string field, JsonValueKind kind) => row.TryGetProperty(field, out var value) && value.ValueKind == kind;

    private static JsonLayout? WordsAndTags(List<JsonElement> rows, ReaderOptions options)
    {
        // A list that is empty in one row shows what it holds in another.
        var words = FirstField(rows, options.NamedFields?.Words, FieldNames.Words, value => IsListOf(value, JsonValueKind.String));
        var tags = FirstField(rows, options.NamedFields?.Tags, FieldNames.Tags, value => IsListOf(value, JsonValueKind.String, JsonValueKind.Number), words);
        return words is null || tags is null ? null : new(JsonRowKind.WordsAndTags, words, tags);
    }

    private static JsonLayout? TextAndSpans(List<JsonElement> rows, ReaderOptions options)
    {
        var text = FirstField(rows, options.NamedFields?.Words, FieldNames.Text, value => value.ValueKind == JsonValueKind.String);
        var spans = FirstField(rows, options.NamedFields?.Tags, FieldNames.Spans, value => IsListOf(value, JsonValueKind.Array, JsonValueKind.Object));
        return text is null || spans is null ? null : new(JsonRowKind.TextAndSpans, text, spans);
    }

    private static JsonLayout? TokenObjects(List<JsonElement> rows)
    {
        var field = FirstField(rows, null, FieldNames.Words, value => IsListOf(value, JsonValueKind.Object));
        var tokens = field is null ? [] : rows.Where(row => Has(row, field, JsonValueKind.Array)).SelectMany(row => row.GetProperty(field).EnumerateArray())
            .Where(token => token.ValueKind == JsonValueKind.Object).Take(20).ToList();
        return FirstField(tokens, null, FieldNames.Tags, value => value.ValueKind == JsonValueKind.String) is { } tag
            && FirstField(tokens, null, ["text", "orth", .. FieldNames.Words], value => value.ValueKind == JsonValueKind.String) is not null
                ? new(JsonRowKind.TokenObjects, field!, tag) : null;
    }

    private static JsonLayout? Flat(List<JsonElement> rows, ReaderOptions options)
    {
        var word = FirstField(rows, options.NamedFields?.Words, FieldNames.Words, value => value.ValueKind == JsonValueKind.String);
        var tag = FirstField(rows, options.NamedFields?.Tags, FieldNames.Tags, value => value.ValueKind is JsonValueKind.String or JsonValueKind.Number, word);
        return word is null || tag is null ? null : new(JsonRowKind.Flat, word, tag);
    }

    private static string? FirstField(List<JsonElement> rows, string? given, IReadOnlyList<string> known, Func<JsonElement, bool> fits, string? other = null)
    {
        var fields = rows.SelectMany(row => row.EnumerateObject()).GroupBy(field => field.Name, StringComparer.Ordinal)
            .Where(values => values.Key != other && values.Any(field => fits(field.Value))
                && 2 * values.Count(field => fits(field.Value) || IsEmpty(field.Value)) >= values.Count())
            .ToDictionary(values => values.Key, values => values.Any(field => !IsEmpty(field.Value)), StringComparer.Ordinal);
        return given is not null ? (fields.ContainsKey(given) ? given : null)
            : FieldNames.First(known, fields.Where(field => field.Value).Select(field => field.Key)) ?? FieldNames.First(known, fields.Keys);
    }

    private static bool IsEmpty(JsonElement value) =>
        value.ValueKind == JsonValueKind.Null || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0);

    // An empty list may be one of anything.
    private static bool IsListOf(JsonElement value, params ReadOnlySpan<JsonValueKind> kinds)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            return false;
        }

        foreach (var item in value.EnumerateArray())
        {
            return kinds.Contains(item.ValueKind);
        }

        return true;
    }
}
