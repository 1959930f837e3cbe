using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>Makes sentences of one JSON row, by the layout that the file has.</summary>
internal sealed class JsonRowParser(JsonLayout layout, ReaderOptions options)
{
    private static readonly string[] StartNames = ["start", "start_offset", "start_char", "begin", "startOffset"];
    private static readonly string[] EndNames = ["end", "end_offset", "end_char", "stop", "endOffset"];
    private static readonly string[] LabelNames = ["label", "labels", "type", "entity_type", "entity", "tag", "category", "class", "entity_group"];

    private readonly WordPool _cache = new();

    /// <summary>Rows left out and why, by how often.</summary>
    public Dictionary<string, long> LeftOut { get; } = [];

    /// <summary>The sentences of a row.</summary>
    public IEnumerable<RawRow> Parse(long line, JsonElement row)
    {
        try
        {
            return layout.Kind switch
            {
                JsonRowKind.WordsAndTags => [WordsAndTags(line, row)],
                JsonRowKind.TextAndSpans => TextAndSpans(line, row),
                JsonRowKind.TokenObjects => [TokenObjects(line, row, layout.Words)],
                JsonRowKind.LabelStudio => LabelStudio(line, row),
                JsonRowKind.SpacyDocuments => [.. SpacyDocument(line, row)],
                JsonRowKind.SpacyPairs => SpacyPair(line, row),
                _ => [RawRow.Wrong(line, "a word a row is read as a table.")],
            };
        }
        catch (RowException error)
        {
            return [RawRow.Wrong(line, error.Message)];
        }
        catch (InvalidOperationException)
        {
            return [RawRow.Wrong(line, "a string is not valid UTF-8 or holds half a surrogate pair.")];
        }
    }

    /// <summary>What a value is, in a message.</summary>
    public static string Named(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        JsonValueKind.Null => "null",
        _ => "nothing",
    };

    private RawRow WordsAndTags(long line, JsonElement row)
    {
        var fields = Object(row);
        string[] missing = [.. new[] { layout.Words, layout.Tags }.Where(name => !fields.TryGetProperty(name, out _))];
        if (missing.Length > 0)
        {
            throw new RowException($"missing field {string.Join(" and ", missing)}; expected {layout.Words} and {layout.Tags}.");
        }

        var (words, tags) = (List(fields.GetProperty(layout.Words), layout.Words, "a list of strings"),
            List(fields.GetProperty(layout.Tags), layout.Tags, "a list of tag ids or names"));
        if (Math.Max(words.GetArrayLength(), tags.GetArrayLength()) > options.MaxWordsPerSentence)
        {
            throw new RowException($"more than {options.MaxWordsPerSentence} words; raise MaxWordsPerSentence if that is right.");
        }

        return RawRow.Of(line, [.. words.EnumerateArray().Select(Word)], [.. tags.EnumerateArray().Select(Tag)], Language(fields), options.MaxWordsPerSentence);
    }

    private string Word(JsonElement word, int index) => word.ValueKind == JsonValueKind.String ? Text(word)
        : throw new RowException($"{layout.Words}: expected strings, found {Named(word)} as word {index}.");

    private string Tag(JsonElement tag, int index)
    {
        var isWhole = tag.ValueKind == JsonValueKind.Number
            && (tag.TryGetInt64(out _) || (tag.TryGetDouble(out var value) && Math.Abs(value) < 1L << 53 && Math.Floor(value) == value));
        return tag.ValueKind switch
        {
            JsonValueKind.String => Text(tag),
            JsonValueKind.Number when isWhole => RawRow.NumberText(tag.TryGetInt64(out var id) ? id : (long)tag.GetDouble()),
            JsonValueKind.Number => throw new RowException($"{layout.Tags}, word {index}: expected whole numbers, found another."),
            _ => throw new RowException($"{layout.Tags}, word {index}: expected ids or names, found {Named(tag)}."),
        };
    }

    private string? Language(JsonElement row)
    {
        foreach (var name in FieldNames.Language)
        {
            if (row.TryGetProperty(name, out var language))
            {
                return language.ValueKind switch
                {
                    JsonValueKind.String => Text(language),
                    JsonValueKind.Null => null,
                    _ => throw new RowException($"{name}: expected a string, found {Named(language)}."),
                };
            }
        }

        return null;
    }

    private RawRow[] TextAndSpans(long line, JsonElement row)
    {
        var fields = Object(row);
        if (fields.TryGetProperty("answer", out var answer) && answer.ValueKind == JsonValueKind.String && answer.GetString() != "accept")
        {
            return LeaveOut("left out, since Prodigy's answer is not accept");
        }

        string[] missing = [.. new[] { layout.Words, layout.Tags }.Where(name => !fields.TryGetProperty(name, out _))];
        if (missing.Length > 0)
        {
            throw new RowException($"missing field {string.Join(" and ", missing)}; expected {layout.Words} and {layout.Tags}.");
        }

        var spans = fields.GetProperty(layout.Tags) is { ValueKind: JsonValueKind.Null }
            ? [] : List(fields.GetProperty(layout.Tags), layout.Tags, "a list of spans").EnumerateArray().Select(Span).ToList();
        List<(long, long)>? words = null;
        if (fields.TryGetProperty("tokens", out var tokens) && tokens.ValueKind == JsonValueKind.Array
            && tokens.EnumerateArray().All(token =>
                token.ValueKind == JsonValueKind.Object && Number(token, StartNames) is not null && Number(token, EndNames) is not null))
        {
            words = [.. tokens.EnumerateArray().Select(token => (Number(token, StartNames)!.Value, Number(token, EndNames)!.Value))];
        }

        var result = SpannedText.ToRow(line, StringOf(fields, layout.Words), spans, words, countsUtf16: false, options.MaxWordsPerSentence);
        return [result with { Language = Language(fields) }];
    }

    private static TextSpan Span(JsonElement span)
    {
        if (span.ValueKind == JsonValueKind.Array && span.GetArrayLength() >= 3 && span[0].ValueKind == JsonValueKind.Number
            && span[1].ValueKind == JsonValueKind.Number)
        {
            return new(Whole(span[0]), Whole(span[1]), Label(span[2]), null);
        }

        if (span.ValueKind == JsonValueKind.Object && Number(span, StartNames) is { } start && Number(span, EndNames) is { } end
            && Field(span, LabelNames) is { } label)
        {
            return new(start, end, Label(label), span.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null);
        }

        throw new RowException($"'{Excerpt.Of(span.GetRawText())}' is no span; expected [start, end, label] or {{\"start\": …, "
            + $"\"end\": …, \"label\": …}}.");
    }

    private static string Label(JsonElement label) => label.ValueKind switch
    {
        JsonValueKind.String => label.GetString()!,
        JsonValueKind.Array when label.GetArrayLength() == 1 && label[0].ValueKind == JsonValueKind.String => label[0].GetString()!,
        JsonValueKind.Array => throw new RowException($"a span has {label.GetArrayLength()} labels; a word has one tag: leave one of them."),
        _ => throw new RowException($"a span's label is {Named(label)}; expected a string."),
    };

    private static JsonElement? Field(JsonElement value, string[] names)
    {
        foreach (var name in names)
        {
            if (value.TryGetProperty(name, out var field))
            {
                return field;
            }
        }

        return null;
    }

    private static long? Number(JsonElement value, string[] names) =>
        Field(value, names) is { ValueKind: JsonValueKind.Number } field && field.TryGetInt64(out var number) ? number : null;

    private static long Whole(JsonElement value) => value.TryGetInt64(out var number) ? number : throw new RowException("a span's place is no whole number.");

    private RawRow TokenObjects(long line, JsonElement row, string field)
    {
        var tokens = List(Object(row).TryGetProperty(field, out var list) ? list : default, field, "a list of objects").EnumerateArray().ToList();
        var tag = layout.Kind == JsonRowKind.SpacyDocuments ? "ner" : layout.Tags;
        return RawRow.Of(line, [.. tokens.Select(Word)], [.. tokens.Select(Tag)], Language(row), options.MaxWordsPerSentence);

        string Word(JsonElement token) =>
            Field(Object(token), ["orth", "text", "token", "word", "form"]) is { ValueKind: JsonValueKind.String } word ? Text(word)
            : throw new RowException($"{field}: an object has no text; found {FieldNames.Listed(token.EnumerateObject().Select(part => part.Name))}.");

        // spaCy writes - where nothing is known.
        string Tag(JsonElement token) => token.TryGetProperty(tag, out var value) && value.ValueKind == JsonValueKind.String ? Text(value)
            : throw new RowException($"{field}: an object has no {tag}; found {FieldNames.Listed(token.EnumerateObject().Select(part => part.Name))}.");
    }

    private RawRow[] LabelStudio(long line, JsonElement row)
    {
        var task = Object(row);
        var data = Object(task.TryGetProperty("data", out var found) ? found : default);
        var text = FieldNames.First(FieldNames.Text,
            data.EnumerateObject().Where(field => field.Value.ValueKind == JsonValueKind.String).Select(field => field.Name))
            ?? throw new RowException($"data: no text; found {FieldNames.Listed(data.EnumerateObject().Select(field => field.Name))}.");
        List<JsonElement> annotations =
            [.. (Field(task, ["annotations", "completions"]) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray().ToList() : [])
            .Where(annotation => annotation.ValueKind == JsonValueKind.Object
                && !(annotation.TryGetProperty("was_cancelled", out var cancelled) && cancelled.ValueKind == JsonValueKind.True))];
        if (annotations.Count == 0 && Field(task, ["annotations", "completions"]) is null
            && Field(task, ["predictions"]) is { ValueKind: JsonValueKind.Array } predictions && predictions.GetArrayLength() > 0
            && predictions[0].ValueKind == JsonValueKind.Object)
        {
            // A model's output that no project has seen yet; in an export of one, a task that nobody annotated has an empty list.
            Count("a model's predictions were taken, since the task has no field for annotations");
            annotations = [predictions[0]];
        }

        if (annotations.Count == 0)
        {
            return LeaveOut("left out, since the task has no annotation");
        }

        if (annotations.Count > 1)
        {
            Count("the first of a task's annotations was taken");
        }

        var results = annotations[0].TryGetProperty("result", out var result) && result.ValueKind == JsonValueKind.Array
            ? result.EnumerateArray().ToList() : [];
        var spans = results.Where(entry => entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("value", out var value)
            && value.ValueKind == JsonValueKind.Object && value.TryGetProperty("labels", out _))
            .Select(entry => Span(entry.GetProperty("value"))).ToList();
        return [SpannedText.ToRow(line, data.GetProperty(text).GetString()!, spans, null, countsUtf16: true, options.MaxWordsPerSentence)];
    }

    private IEnumerable<RawRow> SpacyDocument(long line, JsonElement row)
    {
        foreach (var paragraph in List(Object(row).TryGetProperty("paragraphs", out var found) ? found : default, "paragraphs", "a list").EnumerateArray())
        {
            foreach (var sentence in List(Object(paragraph).TryGetProperty("sentences", out var sentences) ? sentences : default, "sentences", "a list")
                .EnumerateArray())
            {
                yield return TokenObjects(line, sentence, "tokens");
            }
        }
    }

    private RawRow[] SpacyPair(long line, JsonElement row)
    {
        if (row.ValueKind == JsonValueKind.Null)
        {
            return LeaveOut("left out, since the entry is null");
        }

        if (!JsonLayout.IsSpacyPair(row) || !row[1].TryGetProperty("entities", out var entities))
        {
            throw new RowException($"expected [text, {{\"entities\": […]}}], found {Named(row)}.");
        }

        return [SpannedText.ToRow(line, row[0].GetString()!, [.. List(entities, "entities", "a list of spans").EnumerateArray().Select(Span)], null,
            countsUtf16: false, options.MaxWordsPerSentence)];
    }

    private string Text(JsonElement value) => _cache.Get(value.GetString());

    private static string StringOf(JsonElement row, string field) => row.GetProperty(field) is { ValueKind: JsonValueKind.String } value ? value.GetString()!
        : throw new RowException($"{field}: expected a string, found {Named(row.GetProperty(field))}.");

    private static JsonElement Object(JsonElement value) => value.ValueKind == JsonValueKind.Object ? value
        : throw new RowException($"expected an object {{\"tokens\": […], \"ner_tags\": […]}}, found {Named(value)}; is this JSON lines, one object a line?");

    private static JsonElement List(JsonElement value, string field, string expected) => value.ValueKind == JsonValueKind.Array ? value
        : throw new RowException($"{field}: expected {expected}, found {Named(value)}.");

    private RawRow[] LeaveOut(string reason)
    {
        Count(reason);
        return [];
    }

    private void Count(string reason) => LeftOut[reason] = LeftOut.GetValueOrDefault(reason) + 1;

    /// <summary>Leaves the parsing of one row with a word about what is wrong in it; never leaves this class.</summary>
    private sealed class RowException(string message) : Exception(message);
}
