using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>Turns rows and other objects into UTF-8 JSON in one buffer that is used again and again; the caller holds a lock.</summary>
internal sealed class RowText(Secrets? secret) : IDisposable
{
    // Unicode stays readable; the text goes into files and into JSON strings, never into HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true, MaxDepth = 1000 };
    private static readonly string[] Reserved = ["_step", "_runtime", "_timestamp", "_wandb"];

    private readonly ArrayBufferWriter<byte> _buffer = new(1024);
    private readonly Utf8JsonWriter _writer = new(Stream.Null, Options);

    /// <summary>A history row: the user's keys, then _step, _runtime and _timestamp.</summary>
    /// <returns>The text; valid until the next call.</returns>
    /// <exception cref="ArgumentException">A key is empty or one of the three; a value cannot be written.</exception>
    public ReadOnlySpan<byte> History(IEnumerable<KeyValuePair<string, object?>> row, long step, double runtimeSeconds, double timestamp)
    {
        Begin();
        foreach (var (key, value) in row)
        {
            Member(Checked(key), value, NonFinite.Bare);
        }

        _writer.WriteNumber("_step", step);
        _writer.WriteNumber("_runtime", runtimeSeconds);
        _writer.WriteNumber("_timestamp", timestamp);
        return End();
    }

    /// <summary>Any object, for the journal's other records.</summary>
    /// <returns>The text; valid until the next call.</returns>
    /// <exception cref="ArgumentException">A value cannot be written.</exception>
    public ReadOnlySpan<byte> Object(IEnumerable<KeyValuePair<string, object?>> members, NonFinite nonFinite = NonFinite.Bare)
    {
        Begin();
        foreach (var (key, value) in members)
        {
            Member(key, value, nonFinite);
        }

        return End();
    }

    /// <summary>One value as JSON text.</summary>
    public static string Value(object? value, NonFinite nonFinite = NonFinite.Bare)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(buffer, Options);
        JsonValues.Write(writer, "value", value, nonFinite, null);
        writer.Flush();
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private void Begin()
    {
        _buffer.ResetWrittenCount();
        _writer.Reset(_buffer);
        _writer.WriteStartObject();
    }

    private void Member(string key, object? value, NonFinite nonFinite)
    {
        _writer.WritePropertyName(JsonValues.Text(key, secret));
        JsonValues.Write(_writer, key, value, nonFinite, secret);
    }

    private ReadOnlySpan<byte> End()
    {
        _writer.WriteEndObject();
        _writer.Flush();
        return _buffer.WrittenSpan;
    }

    private static string Checked(string key) => key.Length > 0 && Array.IndexOf(Reserved, key) < 0
        ? key
        : throw new ArgumentException($"key \"{key}\": expected a name other than {string.Join(", ", Reserved)}, which the tracker fills itself");
}
