using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>Turns rows and other objects into UTF-8 JSON in one buffer that is used again and again; the caller holds a lock.</summary>
internal sealed class RowText(Secrets secrets) : IDisposable
{
    private const int DeepestNesting = 32;

    // Unicode stays readable; the text goes into files and into JSON strings, never into HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true, MaxDepth = 1000 };
    private static readonly string[] Reserved = ["_step", "_runtime", "_timestamp", "_wandb"];

    private readonly ArrayBufferWriter<byte> _buffer = new(1024);
    private readonly Utf8JsonWriter _writer = new(Stream.Null, Options);
    private bool _isConfig;

    /// <summary>A history row: the user's keys, then _step, _runtime and _timestamp.</summary>
    /// <returns>The text; valid until the next call.</returns>
    /// <exception cref="ArgumentException">A key is empty or one of the three; a value cannot be written.</exception>
    public ReadOnlySpan<byte> History(IEnumerable<KeyValuePair<string, object?>> row, long step, double runtimeSeconds, double timestamp)
    {
        Begin(isConfig: false);
        foreach (var (key, value) in row)
        {
            Member(Checked(key), value);
        }

        _writer.WriteNumber("_step", step);
        _writer.WriteNumber("_runtime", runtimeSeconds);
        _writer.WriteNumber("_timestamp", timestamp);
        return End();
    }

    /// <summary>Any object, for the journal's other records.</summary>
    /// <returns>The text; valid until the next call.</returns>
    /// <exception cref="ArgumentException">A value cannot be written.</exception>
    public ReadOnlySpan<byte> Object(IEnumerable<KeyValuePair<string, object?>> members, bool isConfig = false)
    {
        Begin(isConfig);
        foreach (var (key, value) in members)
        {
            Member(key, value);
        }

        return End();
    }

    /// <summary>One value as JSON text.</summary>
    public static string Value(object? value, bool isConfig = false)
    {
        using var text = new RowText(Secrets.None) { _isConfig = isConfig };
        text._writer.Reset(text._buffer);
        text.Write("value", value);
        text._writer.Flush();
        return Encoding.UTF8.GetString(text._buffer.WrittenSpan);
    }

    /// <summary>The text without secrets and without halves of surrogate pairs, which UTF-8 cannot hold.</summary>
    public static string Clean(string text, Secrets secrets)
    {
        var clean = secrets.Scrub(text);
        return clean.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? clean : string.Concat(clean.EnumerateRunes().Select(rune => rune.ToString()));
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private void Begin(bool isConfig)
    {
        _isConfig = isConfig;
        _buffer.ResetWrittenCount();
        _writer.Reset(_buffer);
        _writer.WriteStartObject();
    }

    private void Member(string key, object? value)
    {
        _writer.WritePropertyName(Clean(key, secrets));
        Write(key, value);
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

    /// <summary>
    /// Writes one value: numbers exactly, float widened to double, nested dictionaries and lists as they are. NaN and the infinities, which JSON lacks, become
    /// bare words in history and summary, as W&amp;B's clients write them, and strings in configurations, which other JSON readers meet.
    /// </summary>
    /// <exception cref="ArgumentException">The value's type has no JSON form, or the nesting is deeper than 32.</exception>
    private void Write(string path, object? value, int depth = 0)
    {
        switch (value)
        {
            case null: _writer.WriteNullValue(); break;
            case double number: WriteDouble(number); break;
            case float number: WriteDouble(number); break;
            case int number: _writer.WriteNumberValue(number); break;
            case long number: _writer.WriteNumberValue(number); break;
            case bool truth: _writer.WriteBooleanValue(truth); break;
            case string text: _writer.WriteStringValue(Clean(text, secrets)); break;
            case decimal number: _writer.WriteNumberValue(number); break;
            case ulong number: _writer.WriteNumberValue(number); break;
            case short or ushort or byte or sbyte or uint: _writer.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case Half number: WriteDouble((double)number); break;
            case BigInteger number: _writer.WriteRawValue(number.ToString(CultureInfo.InvariantCulture), skipInputValidation: true); break;
            case Enum name: _writer.WriteStringValue(name.ToString()); break;
            case char letter: _writer.WriteStringValue(Clean(letter.ToString(), secrets)); break;
            case DateTimeOffset time: _writer.WriteStringValue(time.ToString("O", CultureInfo.InvariantCulture)); break;
            case DateTime time: _writer.WriteStringValue(time.ToString("O", CultureInfo.InvariantCulture)); break;
            case TimeSpan span: WriteDouble(span.TotalSeconds); break;
            case JsonElement element: Write(path, JsonSerializer.SerializeToNode(element), depth); break;
            case JsonValue leaf: _writer.WriteRawValue(leaf.ToJsonString(), skipInputValidation: true); break;
            default: WriteNested(path, value, depth); break;
        }
    }

    private void WriteNested(string path, object value, int depth)
    {
        if (depth >= DeepestNesting)
        {
            throw new ArgumentException($"key \"{path}\": nested deeper than {DeepestNesting}; does the value contain itself?");
        }

        if (Members(value) is { } members)
        {
            _writer.WriteStartObject();
            foreach (var (name, member) in members)
            {
                _writer.WritePropertyName(Clean(name, secrets));
                Write(path, member, depth + 1);
            }

            _writer.WriteEndObject();
        }
        else if (value is IEnumerable list)
        {
            _writer.WriteStartArray();
            foreach (var item in list)
            {
                Write(path, item, depth + 1);
            }

            _writer.WriteEndArray();
        }
        else
        {
            throw new ArgumentException(
                $"key \"{path}\": a value of type {value.GetType()} cannot be logged; expected a number, text, truth value, date, list, dictionary, "
                    + "TrackedTable or PlotlyFigure");
        }
    }

    private static IEnumerable<(string Name, object? Value)>? Members(object value) => value switch
    {
        IEnumerable<KeyValuePair<string, object?>> pairs => pairs.Select(pair => (pair.Key, pair.Value)),
        IEnumerable<KeyValuePair<string, JsonNode?>> node => node.Select(pair => (pair.Key, (object?)pair.Value)),
        IDictionary dictionary => Entries(dictionary),
        _ => null,
    };

    // The enumerator of IEnumerable would give pairs of other types.
    private static IEnumerable<(string Name, object? Value)> Entries(IDictionary dictionary)
    {
        for (var entries = dictionary.GetEnumerator(); entries.MoveNext();)
        {
            yield return (Convert.ToString(entries.Key, CultureInfo.InvariantCulture) ?? "", entries.Value);
        }
    }

    private void WriteDouble(double number)
    {
        if (double.IsFinite(number))
        {
            _writer.WriteNumberValue(number);
            return;
        }

        var word = double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
        _writer.WriteRawValue(_isConfig ? $"\"{word}\"" : word, skipInputValidation: true);
    }
}
