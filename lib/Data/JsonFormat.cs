using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>JSON: one row a line, or rows in an array, in an object, or one behind another over several lines.</summary>
internal sealed class JsonFormat
{
    // Enough to see how rows are laid out; an array's or object's entry may be a whole file that is no JSON lines.
    private const int LookedAtRows = 50;
    private const int MaxEntryBytes = 256 << 20;

    private readonly Func<Stream> _open;
    private readonly ReaderOptions _options;
    private readonly bool _isLines;
    private readonly JsonRowParser? _parser;

    private JsonFormat(string path, Func<Stream> open, ReaderOptions options)
    {
        (_open, _options) = (open, options);
        _isLines = IsLines(path);
        List<JsonElement> rows = [.. Rows().Where(row => row.Problem is null).Take(LookedAtRows).Select(row => row.Row.Clone())];
        if (rows.Count == 0)
        {
            // Nothing, or nothing but broken lines: reading says which.
            Layout = new(JsonRowKind.WordsAndTags, "tokens", "ner_tags");
        }
        else
        {
            Layout = JsonLayout.Of(rows, options) ?? throw DataFormatException.ForFile(path, options.NamedFields is { } given
                ? $"has no fields '{given.Words}' and '{given.Tags}' that hold words and tags, or a text and its spans; found {JsonLayout.Names(rows)}."
                : $"no fields hold words and tags; found {JsonLayout.Names(rows)}; expected tokens and ner_tags (or words, tags, labels and the like), "
                    + "or a text and its spans. "
                + "Name yours by fields=WORDS,TAGS.");
        }

        _parser = Layout.Kind == JsonRowKind.Flat ? null : new JsonRowParser(Layout, options);
    }

    public JsonLayout Layout { get; }

    /// <summary>How the rows stand in the file, for people.</summary>
    public string Form => _isLines ? "JSON lines" : "JSON";

    /// <summary>What the object around the rows says its numbers stand for, or null.</summary>
    public IReadOnlyList<string>? LabelNames { get; private set; }

    /// <summary>What was left out in the latest reading.</summary>
    public IEnumerable<string> Notices => (_parser?.LeftOut ?? []).Select(pair => Invariant($"{pair.Key}: {pair.Value} {(pair.Value == 1 ? "row" : "rows")}"));

    /// <summary>Looks at a file.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="open">Opens it as UTF-8.</param>
    /// <param name="options">How to read it.</param>
    /// <exception cref="DataFormatException">Its rows have no known layout; the message names their fields.</exception>
    public static JsonFormat Of(string path, Func<Stream> open, ReaderOptions options) => new(path, open, options);

    public IEnumerable<RawRow> Read()
    {
        _parser?.LeftOut.Clear();
        foreach (var (line, row, problem) in Rows())
        {
            foreach (var sentence in problem is null ? _parser!.Parse(line, row) : [RawRow.Wrong(line, problem)])
            {
                yield return sentence;
            }
        }
    }

    /// <summary>The rows as a table, where each is a word.</summary>
    public Table Table()
    {
        List<string> header = [.. Rows().Where(row => row.Row.ValueKind == JsonValueKind.Object).Take(LookedAtRows).SelectMany(row => row.Row.EnumerateObject())
            .Select(field => field.Name).Distinct()];
        return new(Cells, header, HasComments: false);

        IEnumerable<TableRow> Cells()
        {
            foreach (var (line, row, problem) in Rows())
            {
                yield return problem is not null ? new(line, [], problem)
                    : row.ValueKind != JsonValueKind.Object ? new(line, [], $"expected an object, found {JsonRowParser.Named(row)}.")
                    : new(line, [
                        .. header.Select(name => row.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String or JsonValueKind.Number
                        ? value.ToString() : "")], null);
            }
        }
    }

    private bool IsLines(string path)
    {
        var isCalledSo = new[] { ".jsonl", ".ndjson" }.Any(extension => path.Contains(extension, StringComparison.OrdinalIgnoreCase));
        using var lines = new LineReader(_open(), _options.MaxLineBytes);
        var parsed = new List<bool>();
        while (parsed.Count < 2 && lines.Read())
        {
            if (!IsBlank(lines.Current.Span))
            {
                parsed.Add(!lines.IsTooLong && IsRow(lines.Current));
            }
        }

        return parsed.Count == 2 ? parsed[0] || parsed[1] || (isCalledSo && !BeginsArray()) : parsed is [true] || (isCalledSo && !BeginsArray());

        bool IsRow(ReadOnlyMemory<byte> line)
        {
            try
            {
                using var document = StrictJson.Parse(line);
                return document.RootElement.ValueKind == JsonValueKind.Object
                    ? JsonLayout.Of([document.RootElement], _options) is not null || !HasList(document.RootElement)
                    : JsonLayout.IsSpacyPair(document.RootElement);
            }
            catch (JsonException)
            {
                return false;
            }
        }

        // An object around all rows.
        static bool HasList(JsonElement root) => root.EnumerateObject().Any(field => field.Value.ValueKind is JsonValueKind.Array or JsonValueKind.Object);
    }

    private bool BeginsArray()
    {
        using var lines = new LineReader(_open(), _options.MaxLineBytes);
        while (lines.Read())
        {
            if (!IsBlank(lines.Current.Span))
            {
                return lines.Current.Span.TrimStart(" \t"u8) is [(byte)'[', ..];
            }
        }

        return false;
    }

    private static bool IsBlank(ReadOnlySpan<byte> line) => line.IndexOfAnyExcept(" \t"u8) < 0;

    private IEnumerable<(long Line, JsonElement Row, string? Problem)> Rows() => _isLines ? Lines() : Entries();

    private IEnumerable<(long Line, JsonElement Row, string? Problem)> Lines()
    {
        using var lines = new LineReader(_open(), _options.MaxLineBytes);
        while (lines.Read())
        {
            if (lines.IsTooLong)
            {
                yield return (lines.Line, default, lines.TooLong);
            }
            else if (!IsBlank(lines.Current.Span))
            {
                var problem = Parse(() => StrictJson.Parse(lines.Current), out var document);
                using (document)
                {
                    yield return (lines.Line, problem is null ? Unwrapped(document!.RootElement) : default, problem);
                }
            }
        }
    }

    private IEnumerable<(long Line, JsonElement Row, string? Problem)> Entries()
    {
        using var stream = _open();
        var elements = new JsonElements(stream, MaxEntryBytes);
        for (var line = 1L; ; line++)
        {
            var problem = Parse(elements.Next, out var document);
            using (document)
            {
                if (problem is not null)
                {
                    yield return (line, default, problem);
                    yield break;
                }

                if (document is null)
                {
                    yield break;
                }

                if (line == 1 && document.RootElement.ValueKind == JsonValueKind.Object && !IsRow(document.RootElement))
                {
                    LabelNames = Data.LabelNames.In(document.RootElement);
                    foreach (var (row, index, wrong) in Within(document.RootElement))
                    {
                        yield return (index, row, wrong);
                    }

                    continue;
                }

                yield return (line, Unwrapped(document.RootElement), null);
            }
        }
    }

    private static IEnumerable<(JsonElement Row, long Index, string? Problem)> Within(JsonElement root)
    {
        using var rows = JsonContainerRows(root).GetEnumerator();
        for (var index = 1L; ; index++)
        {
            string? problem = null;
            try
            {
                if (!rows.MoveNext())
                {
                    yield break;
                }
            }
            catch (FormatException error)
            {
                problem = error.Message + ".";
            }

            yield return (problem is null ? Unwrapped(rows.Current) : default, index, problem);
            if (problem is not null)
            {
                yield break;
            }
        }

        static IEnumerable<JsonElement> JsonContainerRows(JsonElement root)
        {
            foreach (var row in JsonContainer.Rows(root))
            {
                yield return row;
            }
        }
    }

    private bool IsRow(JsonElement element) => JsonLayout.Of([Unwrapped(element)], _options) is not null;

    // The Hub's viewer gives each row in a frame.
    private static JsonElement Unwrapped(JsonElement row) =>
        row.ValueKind == JsonValueKind.Object && row.TryGetProperty("row_idx", out _) && row.TryGetProperty("row", out var inner) ? inner : row;

    private static string? Parse(Func<JsonDocument?> parse, out JsonDocument? document)
    {
        try
        {
            document = parse();
            return null;
        }
        catch (JsonException error)
        {
            document = null;
            return error.BytePositionInLine is { } at
                ? Invariant($"broken JSON at byte {at}: {FirstSentence(error.Message)}") : $"broken JSON: {error.Message}";
        }
    }

    private static string FirstSentence(string message) => message.IndexOf(". ", StringComparison.Ordinal) is >= 0 and var end ? message[..(end + 1)] : message;
}
