using System.Text.Json;
using System.Text.Json.Serialization;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>Who the run is: the journal's first record.</summary>
internal sealed record RunHeader
{
    public const int CurrentFormat = 1;

    /// <summary>The journal's format.</summary>
    public int Format { get; init; } = CurrentFormat;

    public required string RunId { get; init; }

    public required string Project { get; init; }

    public string? Entity { get; init; }

    public string? Group { get; init; }

    public string? Name { get; init; }

    public string? Notes { get; init; }

    public string? JobType { get; init; }

    public IReadOnlyList<string> Tags { get; init; } = [];

    public ResumeMode? Resume { get; init; }

    /// <summary>The machine's name.</summary>
    public string Host { get; init; } = "";

    /// <summary>The program's file name, without its folder.</summary>
    public string Program { get; init; } = "";

    public DateTimeOffset StartedAt { get; init; }

    /// <summary>Names this writer in the configuration's environment block.</summary>
    public string WriterId { get; init; } = "";

    /// <summary>What the machine and the runtime are, as JSON members.</summary>
    public IReadOnlyDictionary<string, JsonElement> Environment { get; init; } = new Dictionary<string, JsonElement>();
}

/// <summary>A process began to write: numbers of its first lines, and the run's time so far.</summary>
internal sealed record SessionStart(long Rows, long Events, long Lines, long NextStep, double RuntimeSeconds, DateTimeOffset StartedAt)
{
    [JsonIgnore]
    public StreamCounts First => new(Rows, Events, Lines);
}

/// <summary>Where on the server a session's lines begin, and what is added to its steps and times; <see cref="Summary"/> and
/// <see cref="Config"/> are what the server had before.</summary>
internal sealed record SessionBase(long History, long Events, long Output, long Step, double RuntimeSeconds, string? Summary = null, string? Config = null)
{
    [JsonIgnore]
    public StreamCounts First => new(History, Events, Output);

    public static SessionBase At(StreamCounts first, long step, double runtimeSeconds, string? summary = null, string? config = null)
        => new(first.Rows, first.Events, first.Output, step, runtimeSeconds, summary, config);
}

/// <summary>A place between two rows.</summary>
/// <param name="Name">What was kept there: a checkpoint, or the training's beginning.</param>
/// <param name="Rows">Rows before it: the next row's number.</param>
/// <param name="NextStep">The next row's step.</param>
internal sealed record RowMark([property: JsonRequired] string Name, long Rows, long NextStep);

/// <summary>A metric's definition: exactly one of name and glob.</summary>
internal sealed record MetricDefinition(string? Name, string? Glob, string? StepMetric, bool StepSync, bool Hidden,
    [property: JsonRequired] IReadOnlyList<string> Summary);

/// <summary>A file of an artifact, staged in the run's folder.</summary>
/// <param name="Name">Its path in the artifact, with slashes.</param>
/// <param name="Staged">Its path below the run's folder.</param>
/// <param name="Size">Bytes.</param>
/// <param name="ModifiedUtc">When it was last written, to notice changes before the upload.</param>
internal sealed record ArtifactFile([property: JsonRequired] string Name, [property: JsonRequired] string Staged, long Size, DateTime ModifiedUtc);

/// <summary>An artifact to upload.</summary>
internal sealed record ArtifactRequest(
    [property: JsonRequired] string Name, [property: JsonRequired] string Type, string? Description, [property: JsonRequired] IReadOnlyList<string> Aliases,
    string? MetadataJson, long? HistoryStep, [property: JsonRequired] string ClientId, [property: JsonRequired] string SequenceClientId,
    [property: JsonRequired] IReadOnlyList<ArtifactFile> Files);

/// <summary>A console line.</summary>
internal sealed record OutputLine(DateTimeOffset Time, bool IsError, [property: JsonRequired] string Text);

/// <summary>How the run ended.</summary>
internal sealed record RunExit(int Code, double RuntimeSeconds);

/// <summary>Writes the journal's records other than rows, and reads what any record says.</summary>
internal static class JournalJson
{
    // Beyond this a number of JSON is no whole one for most readers.
    private const long LargestNumber = 1L << 53;

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        // Below what RowText writes, whatever is put around it.
        MaxDepth = 24,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static byte[] Write<T>(T record) => JsonSerializer.SerializeToUtf8Bytes(record, Options);

    public static string WriteText<T>(T record) => JsonSerializer.Serialize(record, Options);

    /// <exception cref="InvalidDataException">The text is not such a record.</exception>
    public static T Read<T>(string json)
    {
        try
        {
            return StrictJson.Deserialize<T>(json, Options);
        }
        catch (JsonException fault)
        {
            throw new InvalidDataException($"expected a record of kind {typeof(T).Name}, found something else ({fault.Message}); "
                + "was the file edited?");
        }
    }

    /// <summary>What a record says, before anything is changed by it.</summary>
    /// <exception cref="FormatException">It is of another form.</exception>
    /// <exception cref="InvalidDataException">The same.</exception>
    public static object? Content(JournalRecord record)
    {
        if (record.Number is < 0 or > LargestNumber)
        {
            throw new FormatException(Invariant($"number {record.Number}; expected 0 to {LargestNumber}"));
        }

        switch (record.Kind)
        {
            case JournalKind.Row or JournalKind.Part: return RowContent.Of(record.Json);
            case JournalKind.Config or JournalKind.Summary or JournalKind.Event: return JsonMembers.Split(record.Json).ToList();
            case JournalKind.Output: return Read<OutputLine>(record.Json);
            case JournalKind.Session: return Read<SessionStart>(record.Json);
            case JournalKind.Mark or JournalKind.Return:
                var mark = Read<RowMark>(record.Json);
                return mark is { Rows: >= 0 and <= LargestNumber, NextStep: >= 0 and <= LargestNumber }
                    ? mark : throw new FormatException("a mark before the first row");
            case JournalKind.Exit: return Read<RunExit>(record.Json);
            case JournalKind.Run: return Read<RunHeader>(record.Json);
            case JournalKind.Base:
                var place = Read<SessionBase>(record.Json);
                _ = (JsonMembers.Split(place.Summary ?? "{}").Count(), JsonMembers.Split(place.Config ?? "{}").Count());
                return place;
            case JournalKind.Metric: return Read<MetricDefinition>(record.Json);
            case JournalKind.Artifact: return Read<ArtifactRequest>(record.Json);
            default: return null;
        }
    }
}
