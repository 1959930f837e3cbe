extern alias lib;

using System.Text.Encodings.Web;
using System.Text.Json;
using lib::NotebookLib.Inference;
using lib::NotebookLib.Tokenization;

namespace NotebookRunner.Serving;

/// <summary>What a client asks.</summary>
/// <param name="Texts">The texts.</param>
/// <param name="IsList">Whether they came as a list, and so the answer is one of lists.</param>
/// <param name="Strategy">How pieces become entities; null tags words, as the notebooks score them.</param>
/// <param name="Threshold">Results with a lower score are left out.</param>
/// <param name="IgnoredLabels">Results with these labels are left out; null for O alone.</param>
internal sealed record InferenceRequest(
    IReadOnlyList<string> Texts, bool IsList, AggregationStrategy? Strategy, double Threshold, IReadOnlyCollection<string>? IgnoredLabels);

/// <summary>An answer that is no result: the status, and what the client is told. Nothing of it holds a text.</summary>
internal sealed class RequestRefusedException(int status, string message, TimeSpan? retryAfter = null) : Exception(message)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    public int Status => status;

    /// <summary>Seconds after which it is worth another try; null where it is not.</summary>
    public int? RetryAfter => retryAfter is { } wait ? (int)Math.Ceiling(Math.Clamp(wait.TotalSeconds, 1, LongestWait.TotalSeconds)) : null;

    /// <summary>The client did something wrong.</summary>
    public static RequestRefusedException Bad(string message) => new(400, message);

    /// <summary>It asks for more than the server takes.</summary>
    public static RequestRefusedException TooLarge(string message) => new(413, message);

    /// <summary>It may come again.</summary>
    public static RequestRefusedException Busy(string message, TimeSpan wait) => new(503, message, wait);
}

/// <summary>The Hub's inference protocol for token classification: requests and answers as JSON, as transformers' pipeline takes and gives them.</summary>
internal static class InferenceProtocol
{
    private const int MostLevels = 8;
    private const string Inputs = "inputs", Parameters = "parameters", Options = "options";
    private const string StrategyName = "aggregation_strategy", ThresholdName = "threshold", IgnoredName = "ignore_labels", StrideName = "stride",
    Words = "words";

    // The pipeline's, and one of ours.
    private static readonly string[] Strategies = ["none", "simple", "first", "average", "max", Words];

    // Never put into a page as it is, and the content type says so.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Reads a request.</summary>
    /// <param name="body">UTF-8.</param>
    /// <param name="mostTexts">Texts of a list at most.</param>
    /// <exception cref="RequestRefusedException">It is wrong; the message names the field, what was expected and what was found.</exception>
    public static InferenceRequest Read(ReadOnlyMemory<byte> body, int mostTexts)
    {
        using var document = Parse(body);
        var fields = FieldsOf(document.RootElement, "body", [Inputs, Parameters, Options]);
        var parameters = fields.TryGetValue(Parameters, out var given) && given.ValueKind != JsonValueKind.Null
            ? FieldsOf(given, Parameters, [StrategyName, ThresholdName, IgnoredName, StrideName]) : [];
        if (fields.TryGetValue(Options, out var options) && options.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null))
        {
            throw Unexpected(Options, "an object", options);
        }

        if (!fields.TryGetValue(Inputs, out var inputs))
        {
            throw RequestRefusedException.Bad($"{Inputs}: missing; expected a text or a list of texts.");
        }

        CheckStride(parameters);
        var isList = inputs.ValueKind == JsonValueKind.Array;
        return new(isList ? Texts(inputs, mostTexts) : [Text(inputs, Inputs, "a text or a list of texts")], isList, Strategy(parameters), Threshold(parameters),
            Ignored(parameters));
    }

    /// <summary>Writes the answer.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="results">For each text, in order.</param>
    public static byte[] Write(InferenceRequest request, IReadOnlyList<IReadOnlyList<TokenEntity>> results) => Json(json =>
    {
        if (!request.IsList)
        {
            WriteResults(json, request, results[0]);
            return;
        }

        json.WriteStartArray();
        foreach (var result in results)
        {
            WriteResults(json, request, result);
        }

        json.WriteEndArray();
    });

    /// <summary>Entities of tagged words as the pipeline gives its own: places in code points.</summary>
    /// <param name="tagged">A text.</param>
    /// <param name="ignored">Types to leave out, or null.</param>
    public static IReadOnlyList<TokenEntity> Entities(TaggedText tagged, IReadOnlyCollection<string>? ignored)
    {
        var (entities, place, at) = (new List<TokenEntity>(tagged.Entities.Count), 0, 0);
        foreach (var entity in tagged.Entities)
        {
            place += CodePoints.Count(tagged.Text.AsSpan(at, entity.Start - at));
            at = entity.Start;
            if (ignored is null || !ignored.Contains(entity.Type))
            {
                entities.Add(new(entity.Type, entity.Score, entity.Text, place, place + CodePoints.Count(entity.Text)));
            }
        }

        return entities;
    }

    /// <summary>The answer to a request that has no result.</summary>
    public static byte[] Error(string message) => Object(("error", message));

    /// <summary>An object of texts.</summary>
    public static byte[] Object(params (string Name, string Value)[] fields) => Json(json =>
    {
        json.WriteStartObject();
        foreach (var (name, value) in fields)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
    });

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Plain))
        {
            write(json);
        }

        return stream.ToArray();
    }

    private static void WriteResults(Utf8JsonWriter json, InferenceRequest request, IReadOnlyList<TokenEntity> entities)
    {
        json.WriteStartArray();
        foreach (var entity in entities.Where(entity => entity.Score >= request.Threshold))
        {
            json.WriteStartObject();
            json.WriteString(request.Strategy == AggregationStrategy.None ? "entity" : "entity_group", entity.Label);
            // Python prints a float32 with the digits of the double that it becomes.
            json.WriteNumber("score", (double)entity.Score);
            if (entity.Index is { } index)
            {
                json.WriteNumber("index", index);
            }

            json.WriteString("word", entity.Word);
            json.WriteNumber("start", entity.Start);
            json.WriteNumber("end", entity.End);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        body = body.Span.StartsWith("\uFEFF"u8) ? body[3..] : body;
        if (body.Length == 0)
        {
            throw RequestRefusedException.Bad($"body: expected an object with {Inputs}, found nothing.");
        }

        try
        {
            return JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = MostLevels });
        }
        catch (JsonException error)
        {
            // The error's own message quotes the text.
            throw RequestRefusedException.Bad(Invariant($"body: no JSON of at most {MostLevels} levels in UTF-8; ")
                + Invariant($"the fault is at line {(error.LineNumber ?? 0) + 1}, byte {(error.BytePositionInLine ?? 0) + 1}."));
        }
    }

    private static Dictionary<string, JsonElement> FieldsOf(JsonElement element, string path, string[] known)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw Unexpected(path, "an object", element);
        }

        var fields = new Dictionary<string, JsonElement>();
        foreach (var field in element.EnumerateObject())
        {
            // A name is compared as it stands, and never repeated: it may be anything.
            var name = Array.Find(known, name => IsCalled(field, name))
                ?? throw RequestRefusedException.Bad($"{path}: there is a field that is not known here; expected {string.Join(", ", known)}.");
            if (!fields.TryAdd(name, field.Value))
            {
                throw RequestRefusedException.Bad($"{name}: stands there twice; expected it once.");
            }
        }

        return fields;
    }

    private static bool IsCalled(JsonProperty field, string name)
    {
        try
        {
            return field.NameEquals(name);
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair.
            return false;
        }
    }

    private static string[] Texts(JsonElement list, int most)
    {
        var count = list.GetArrayLength();
        return count > most ? throw RequestRefusedException.TooLarge(Invariant($"{Inputs}: {count} texts; this server takes at most {most} in one request."))
            : [.. list.EnumerateArray().Select((item, i) => Text(item, Invariant($"{Inputs}[{i}]"), "a text"))];
    }

    private static string Text(JsonElement element, string path, string expected)
    {
        if (element.ValueKind != JsonValueKind.String)
        {
            throw Unexpected(path, expected, element);
        }

        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw RequestRefusedException.Bad($"{path}: is no Unicode text; expected UTF-8, and both halves of every surrogate pair.");
        }
    }

    private static AggregationStrategy? Strategy(Dictionary<string, JsonElement> parameters)
    {
        if (!Has(parameters, StrategyName, out var value))
        {
            // The Hub's default; the pipeline's own is none.
            return AggregationStrategy.Simple;
        }

        var text = Text(value, $"{Parameters}.{StrategyName}", $"one of {string.Join(", ", Strategies)}");
        var name = Array.Find(Strategies, name => name.Equals(text, StringComparison.OrdinalIgnoreCase))
            ?? throw RequestRefusedException.Bad($"{Parameters}.{StrategyName}: there is no such strategy; expected one of {string.Join(", ", Strategies)}.");
        return name == Words ? null : Enum.Parse<AggregationStrategy>(name, ignoreCase: true);
    }

    private static double Threshold(Dictionary<string, JsonElement> parameters) =>
        !Has(parameters, ThresholdName, out var value) ? 0
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var threshold) && threshold is >= 0 and <= 1 ? threshold
        : throw Unexpected($"{Parameters}.{ThresholdName}", "a number from 0 to 1", value);

    private static IReadOnlyCollection<string>? Ignored(Dictionary<string, JsonElement> parameters) =>
        !Has(parameters, IgnoredName, out var value) ? null
        : value.ValueKind == JsonValueKind.Array
        ? value.EnumerateArray().Select((item, i) => Text(item, Invariant($"{Parameters}.{IgnoredName}[{i}]"), "a label")).ToHashSet()
        : throw Unexpected($"{Parameters}.{IgnoredName}", "a list of labels", value);

    /// <summary>A client may ask for overlapping windows; it gets them without asking.</summary>
    private static void CheckStride(Dictionary<string, JsonElement> parameters)
    {
        if (Has(parameters, StrideName, out var value) && !(value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var stride) && stride >= 0))
        {
            throw Unexpected($"{Parameters}.{StrideName}", "a whole number, 0 or more", value);
        }
    }

    private static bool Has(Dictionary<string, JsonElement> parameters, string name, out JsonElement value) =>
        parameters.TryGetValue(name, out value) && value.ValueKind != JsonValueKind.Null;

    private static RequestRefusedException Unexpected(string path, string expected, JsonElement found) =>
        RequestRefusedException.Bad($"{path}: expected {expected}, found {found.ValueKind switch
        {
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "a list",
            JsonValueKind.String => "a text",
            JsonValueKind.Number => expected.Contains("number", StringComparison.Ordinal) ? "another number" : "a number",
            JsonValueKind.True or JsonValueKind.False => "true or false",
            _ => "null",
        }}.");
}
