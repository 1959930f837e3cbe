using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace NotebookLib.Tracking;

/// <summary>One file_stream request in the making: runs of consecutive lines, bounded in bytes.</summary>
internal sealed class StreamBatch
{
    /// <summary>The largest body of a file_stream request: 10 MiB, W&amp;B's bound.</summary>
    public const int LargestRequestBytes = 10 << 20;

    /// <summary>Where a request stops to take more lines: enough to hide the way there and back, and little to hold in memory when much waits.</summary>
    private const int UsualRequestBytes = 2 << 20;

    /// <summary>The largest line, in its escaped form: what a request holds beside the summary and the envelope.</summary>
    public const int LargestLineBytes = LargestRequestBytes - (1 << 16);

    /// <summary>The longest console line; longer ones are cut into several.</summary>
    public const int LongestOutputCharacters = 1 << 16;

    /// <summary>How lines are escaped inside the request's JSON.</summary>
    private static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    private const int EnvelopeBytes = 1024;
    private const int KeptOutputCharacters = 200;

    private readonly int _limit;
    private readonly Dictionary<StreamKind, (long Offset, List<JsonEncodedText> Lines)> _chunks = [];
    private JsonEncodedText? _summary;
    private bool _isEmptied;

    /// <summary>An empty batch.</summary>
    /// <param name="limitBytes">The largest body of several lines; a single line may be longer.</param>
    public StreamBatch(int limitBytes = UsualRequestBytes) => _limit = limitBytes;

    /// <summary>Whether a row's line fits.</summary>
    public static bool Fits(ReadOnlySpan<byte> json)
        // Escaping doubles quotation marks and backslashes and lengthens a character outside the basic plane from 4 to 12 bytes: never more than threefold.
        => json.Length <= LargestLineBytes / 3
            || (json.Length <= LargestLineBytes && JsonEncodedText.Encode(json, Encoder).EncodedUtf8Bytes.Length <= LargestLineBytes);

    /// <inheritdoc cref="Fits(ReadOnlySpan{byte})"/>
    public static bool Fits(string json) => json.Length <= LargestLineBytes / 6 || Fits(Encoding.UTF8.GetBytes(json));

    /// <summary>The body's size so far, rounded up.</summary>
    public int Bytes { get; private set; } = EnvelopeBytes;

    public int Lines => _chunks.Values.Sum(chunk => chunk.Lines.Count);

    public bool IsEmpty => Lines == 0 && _summary is null;

    /// <summary>Adds a line, if it continues what is there and fits.</summary>
    /// <param name="stream">Its file.</param>
    /// <param name="offset">Its line number on the server.</param>
    /// <param name="text">The line.</param>
    /// <returns>False: send what is there first.</returns>
    public bool TryAdd(StreamKind stream, long offset, string text)
    {
        var isOpen = _chunks.TryGetValue(stream, out var chunk);
        var line = JsonEncodedText.Encode(text, Encoder);
        var size = line.EncodedUtf8Bytes.Length + 3;
        if ((isOpen && chunk.Offset + chunk.Lines.Count != offset) || (!IsEmpty && Bytes + size > _limit))
        {
            return false;
        }

        _chunks[stream] = chunk = isOpen ? chunk : (offset, []);
        chunk.Lines.Add(line);
        Bytes += size;
        return true;
    }

    /// <summary>Adds the summary, if it fits.</summary>
    /// <inheritdoc cref="TryAdd" path="/returns"/>
    public bool TrySetSummary(string text)
    {
        var line = JsonEncodedText.Encode(text, Encoder);
        if (!IsEmpty && Bytes + line.EncodedUtf8Bytes.Length > _limit)
        {
            return false;
        }

        _summary = line;
        Bytes += line.EncodedUtf8Bytes.Length;
        return true;
    }

    /// <summary>The same lines in two batches, for a server that finds the whole too large.</summary>
    /// <returns>Nothing when a single line is left.</returns>
    public IReadOnlyList<StreamBatch> Halves()
    {
        if (Lines + (_summary is null ? 0 : 1) < 2)
        {
            return [];
        }

        var (first, second) = (new StreamBatch(_limit), new StreamBatch(_limit) { _summary = _summary });
        var left = Math.Max(1, Lines / 2);
        foreach (var (stream, chunk) in _chunks)
        {
            var taken = Math.Min(left, chunk.Lines.Count);
            left -= taken;
            first.Take(stream, chunk.Offset, chunk.Lines[..taken]);
            second.Take(stream, chunk.Offset + taken, chunk.Lines[taken..]);
        }

        return [.. new[] { first, second }.Where(half => !half.IsEmpty)];
    }

    /// <summary>
    /// A single line without the user's values, for a server that finds it too large: step and times stay, of console output the beginning. A summary is left
    /// out.
    /// </summary>
    /// <returns>What to send instead; null when there is nothing left to take away.</returns>
    public IReadOnlyList<StreamBatch>? Emptied()
    {
        if (_isEmptied || IsEmpty)
        {
            return null;
        }

        if (Lines == 0)
        {
            return [];
        }

        var (stream, chunk) = _chunks.Single();
        var text = JsonSerializer.Deserialize<string>($"\"{chunk.Lines[0].Value}\"")!;
        var less = stream is StreamKind.Output
            ? text[..Math.Min(text.Length, KeptOutputCharacters)] + " …"
            : JsonMembers.Join(WithoutValues(JsonMembers.Split(text)));
        var batch = new StreamBatch(_limit) { _isEmptied = true };
        batch.TryAdd(stream, chunk.Offset, less);
        return [batch];
    }

    /// <summary>A row's step and times, without the user's values.</summary>
    public static IEnumerable<KeyValuePair<string, string>> WithoutValues(IEnumerable<KeyValuePair<string, string>> members)
        => members.Where(member => member.Key.StartsWith('_'));

    /// <summary>The request's body.</summary>
    /// <param name="uploaded">Names of files that went up since the last request.</param>
    /// <param name="exitCode">Ends the run when given.</param>
    public ReadOnlyMemory<byte> ToBody(IReadOnlyList<string>? uploaded = null, int? exitCode = null)
    {
        var buffer = new ArrayBufferWriter<byte>(Bytes);
        using var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = Encoder });
        writer.WriteStartObject();
        if (!IsEmpty)
        {
            writer.WriteStartObject("files");
            foreach (var (stream, chunk) in _chunks)
            {
                WriteChunk(writer, FileName(stream), chunk.Offset, chunk.Lines);
            }

            if (_summary is { } summary)
            {
                WriteChunk(writer, "wandb-summary.json", 0, [summary]);
            }

            writer.WriteEndObject();
        }

        if (uploaded is { Count: > 0 })
        {
            writer.WritePropertyName("uploaded");
            JsonSerializer.Serialize(writer, uploaded);
        }

        if (exitCode is { } code)
        {
            writer.WriteBoolean("complete", true);
            writer.WriteNumber("exitcode", code);
        }

        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenMemory;
    }

    private void Take(StreamKind stream, long offset, List<JsonEncodedText> lines)
    {
        if (lines.Count > 0)
        {
            _chunks[stream] = (offset, lines);
        }
    }

    private static void WriteChunk(Utf8JsonWriter writer, string name, long offset, List<JsonEncodedText> lines)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("offset", offset);
        writer.WriteStartArray("content");
        foreach (var line in lines)
        {
            writer.WriteStringValue(line);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static string FileName(StreamKind stream) => stream switch
    {
        StreamKind.History => "wandb-history.jsonl",
        StreamKind.Events => "wandb-events.jsonl",
        _ => "output.log",
    };
}
