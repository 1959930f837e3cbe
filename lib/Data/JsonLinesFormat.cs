using System.Text.Json;

namespace NotebookLib.Data;

/// <summary>
/// MultiNERD's form: one JSON object a line with <c>tokens</c> (strings), <c>ner_tags</c> (ids, or names) and, where given, <c>lang</c>; other fields are skipped.
/// </summary>
internal sealed class JsonLinesFormat(TagTable tags, ReaderOptions options)
{
    private readonly WordCache _cache = new();
    private readonly List<string> _words = [];
    private readonly List<int> _tags = [];
    private char[] _characters = new char[256];

    public IEnumerable<ParsedRow> Read(LineReader lines)
    {
        while (lines.Read())
        {
            if (lines.IsTooLong)
            {
                yield return ParsedRow.Wrong(lines.Line, $"the line is longer than {options.MaxLineBytes} bytes; raise MaxLineBytes if that is right.");
            }
            else if (!IsBlank(lines.Current.Span))
            {
                yield return Parse(lines.Line, lines.Current.Span);
            }
        }
    }

    private static bool IsBlank(ReadOnlySpan<byte> line) => line.IndexOfAnyExcept(" \t\r"u8) < 0;

    private ParsedRow Parse(long line, ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            return ParseObject(line, ref reader);
        }
        catch (RowException error)
        {
            return ParsedRow.Wrong(line, error.Message);
        }
        catch (JsonException error)
        {
            return ParsedRow.Wrong(line, $"broken JSON at byte {error.BytePositionInLine}: {FirstSentence(error.Message)}");
        }
        catch (InvalidOperationException)
        {
            return ParsedRow.Wrong(line, "a string is not valid UTF-8 or holds half a surrogate pair.");
        }
    }

    private ParsedRow ParseObject(long line, ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new RowException($"expected an object {{\"tokens\": […], \"ner_tags\": […]}}, found {Named(reader.TokenType)}; is this JSON lines, one object a line?");
        }

        var (hasWords, hasTags, language) = (false, false, (string?)null);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("tokens"u8))
            {
                ReadWords(ref reader);
                hasWords = true;
            }
            else if (reader.ValueTextEquals("ner_tags"u8))
            {
                ReadTags(ref reader);
                hasTags = true;
            }
            else if (reader.ValueTextEquals("lang"u8))
            {
                language = ReadLanguage(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }

        // Anything after the object is refused by the reader itself.
        reader.Read();
        var missing = string.Join(" and ", (string[])[.. hasWords ? [] : (string[])["tokens"], .. hasTags ? [] : (string[])["ner_tags"]]);
        return missing.Length > 0 ? ParsedRow.Wrong(line, $"missing field {missing}; expected tokens and ner_tags.")
            : _words.Count != _tags.Count ? ParsedRow.Wrong(line, $"{_words.Count} words but {_tags.Count} tags; expected one tag per word.")
            : new(line, new Sentence(_words.ToArray(), _tags.ToArray()), language, null);
    }

    private void ReadWords(ref Utf8JsonReader reader)
    {
        _words.Clear();
        StartList(ref reader, "tokens", "a list of strings");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.String)
            {
                throw new RowException($"tokens: expected strings, found {Named(reader.TokenType)} as word {_words.Count}.");
            }

            ThrowIfTooMany(_words.Count);
            _words.Add(ReadWord(ref reader));
        }
    }

    private string ReadWord(ref Utf8JsonReader reader)
    {
        if (_characters.Length < reader.ValueSpan.Length)
        {
            _characters = new char[2 * reader.ValueSpan.Length];
        }

        var length = reader.CopyString(_characters);
        return _cache.Get(_characters.AsSpan(0, length));
    }

    private void ReadTags(ref Utf8JsonReader reader)
    {
        _tags.Clear();
        StartList(ref reader, "ner_tags", "a list of tag ids or names");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            ThrowIfTooMany(_tags.Count);
            var mapped = 0;
            var problem = reader.TokenType switch
            {
                JsonTokenType.Number => reader.TryGetInt64(out var id) ? tags.TryMap(id, out mapped) : "expected whole numbers, found another.",
                JsonTokenType.String => tags.TryMap(ReadWord(ref reader), out mapped),
                _ => $"expected ids or names, found {Named(reader.TokenType)}.",
            };
            if (problem is not null)
            {
                throw new RowException($"ner_tags, word {_tags.Count}: {problem}");
            }

            _tags.Add(mapped);
        }
    }

    private string? ReadLanguage(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.TokenType switch
        {
            JsonTokenType.String => ReadWord(ref reader),
            JsonTokenType.Null => null,
            _ => throw new RowException($"lang: expected a string, found {Named(reader.TokenType)}."),
        };
    }

    private static void StartList(ref Utf8JsonReader reader, string field, string expected)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new RowException($"{field}: expected {expected}, found {Named(reader.TokenType)}.");
        }
    }

    private void ThrowIfTooMany(int count)
    {
        if (count >= options.MaxWordsPerSentence)
        {
            throw new RowException($"more than {options.MaxWordsPerSentence} words; raise MaxWordsPerSentence if that is right.");
        }
    }

    private static string Named(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.True or JsonTokenType.False => "true or false",
        JsonTokenType.Null => "null",
        _ => "nothing",
    };

    private static string FirstSentence(string message) => message.IndexOf(". ", StringComparison.Ordinal) is >= 0 and var end ? message[..(end + 1)] : message;

    /// <summary>Leaves the parsing of one row with a word about what is wrong in it; never leaves this class.</summary>
    private sealed class RowException(string message) : Exception(message);
}
