using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace NotebookLib.Platform;

/// <summary>
/// JSON that others wrote. Beyond what System.Text.Json refuses: bytes that are no UTF-8, surrogates without a partner, which it finds only when somebody asks
/// for that text, names that stand twice in one object, and files larger than what is expected of them.
/// </summary>
internal static class StrictJson
{
    /// <summary>Levels of nesting at most, where a format says nothing else.</summary>
    public const int MostLevels = 64;

    /// <summary>Reads a text.</summary>
    /// <param name="utf8">JSON; a byte-order mark before it is passed over.</param>
    /// <param name="mostLevels">How deep it may be nested.</param>
    /// <exception cref="JsonException">It is no such JSON; the message says where.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, int mostLevels = MostLevels) => JsonDocument.Parse(Checked(utf8), Options(mostLevels));

    /// <summary>The same from a .NET string.</summary>
    /// <inheritdoc cref="Parse(ReadOnlyMemory{byte}, int)"/>
    public static JsonDocument Parse(string json, int mostLevels = MostLevels) => Parse(System.Text.Encoding.UTF8.GetBytes(json), mostLevels);

    /// <summary>The same as a tree that can be changed.</summary>
    /// <inheritdoc cref="Parse(ReadOnlyMemory{byte}, int)"/>
    public static JsonNode? ParseNode(ReadOnlyMemory<byte> utf8, int mostLevels = MostLevels) =>
        JsonNode.Parse(Checked(utf8).Span, documentOptions: Options(mostLevels));

    /// <summary>The same from a .NET string.</summary>
    /// <inheritdoc cref="Parse(ReadOnlyMemory{byte}, int)"/>
    public static JsonNode? ParseNode(string json, int mostLevels = MostLevels) => ParseNode(System.Text.Encoding.UTF8.GetBytes(json), mostLevels);

    /// <summary>A record out of a text.</summary>
    /// <param name="utf8">JSON.</param>
    /// <param name="options">How the record is written; names that stand twice are refused whatever it says.</param>
    /// <exception cref="JsonException">It is no such record, or null.</exception>
    public static T Deserialize<T>(ReadOnlyMemory<byte> utf8, JsonSerializerOptions options)
    {
        using var document = Parse(utf8, options.MaxDepth == 0 ? MostLevels : options.MaxDepth);
        return document.Deserialize<T>(options) ?? throw new JsonException("it is null");
    }

    /// <summary>The same from a .NET string.</summary>
    /// <inheritdoc cref="Deserialize{T}(ReadOnlyMemory{byte}, JsonSerializerOptions)"/>
    public static T Deserialize<T>(string json, JsonSerializerOptions options) => Deserialize<T>(System.Text.Encoding.UTF8.GetBytes(json), options);

    /// <summary>A file's bytes, when it is no larger than expected.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mostBytes">How large it may be.</param>
    /// <param name="expected">What it should be, for messages: <c>the model's config.json</c>.</param>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">It is larger.</exception>
    public static byte[] ReadBytes(string path, long mostBytes, string expected)
    {
        var file = (FileInfo?)File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
        return !file.Exists ? throw new FileNotFoundException($"{path}: no such file; expected {expected}.", path)
            : file.Length > mostBytes
            ? throw new InvalidDataException(Invariant($"{path}: {file.Length:N0} bytes; expected {expected}, at most {mostBytes:N0} bytes."))
            // To open a pipe is to wait for its other end; an empty file is no JSON either.
            : file.Length == 0 ? [] : File.ReadAllBytes(path);
    }

    /// <summary>The object in a file.</summary>
    /// <inheritdoc cref="ReadBytes"/>
    /// <exception cref="InvalidDataException">It is larger, or no such JSON, or no object.</exception>
    public static JsonObject ReadObject(string path, long mostBytes, string expected)
    {
        try
        {
            return ParseNode(ReadBytes(path, mostBytes, expected)) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}: not a JSON object: {error.Message.TrimEnd('.')}. Expected {expected}.", error);
        }
    }

    /// <summary>A text that must be there.</summary>
    /// <exception cref="JsonException">It is null.</exception>
    /// <exception cref="InvalidOperationException">It is no text.</exception>
    public static string Text(this JsonElement element) => element.GetString() ?? throw new JsonException("null stands where a text is expected");

    private static JsonDocumentOptions Options(int mostLevels) => new() { AllowDuplicateProperties = false, MaxDepth = mostLevels };

    private static ReadOnlyMemory<byte> Checked(ReadOnlyMemory<byte> utf8)
    {
        utf8 = utf8.Span.StartsWith("\uFEFF"u8) ? utf8[3..] : utf8;
        if (!Utf8.IsValid(utf8.Span))
        {
            throw new JsonException("it is not valid UTF-8. If it is of another encoding, save it as UTF-8");
        }

        // Only a text that spells a surrogate by its number can hold half of one.
        if (utf8.Span.IndexOf("\\ud"u8) >= 0 || utf8.Span.IndexOf("\\uD"u8) >= 0)
        {
            CheckSurrogates(utf8.Span);
        }

        return utf8;
    }

    private static void CheckSurrogates(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = 1_000 });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
            {
                try
                {
                    _ = reader.GetString();
                }
                catch (InvalidOperationException)
                {
                    throw new JsonException(Invariant($"the text at byte {reader.TokenStartIndex} holds half a surrogate pair"));
                }
            }
        }
    }
}
