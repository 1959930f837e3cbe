using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>What becomes of NaN and the infinities, which JSON lacks.</summary>
internal enum NonFinite
{
    /// <summary>The bare words NaN, Infinity, -Infinity, as W&amp;B's clients write them in history and summary (WANDB.md §4).</summary>
    Bare,

    /// <summary>The same words as strings: for configurations, which other JSON readers meet.</summary>
    Quoted,
}

/// <summary>Writes the values that users log as JSON: numbers exactly, float widened to double, nested dictionaries and lists as they are.</summary>
internal static class JsonValues
{
    private const int DeepestNesting = 32;

    /// <summary>Writes one value.</summary>
    /// <param name="writer">Receives the value; must not validate (bare NaN is not JSON).</param>
    /// <param name="path">The key, for the error message.</param>
    /// <param name="value">The value.</param>
    /// <param name="nonFinite">What becomes of NaN and the infinities.</param>
    /// <param name="secret">Key and token, which are kept out of texts.</param>
    /// <param name="depth">How deep the value is nested.</param>
    /// <exception cref="ArgumentException">The value's type has no JSON form, or the nesting is deeper than 32.</exception>
    public static void Write(Utf8JsonWriter writer, string path, object? value, NonFinite nonFinite, Secrets? secret, int depth = 0)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case double number: WriteDouble(writer, number, nonFinite); break;
            case float number: WriteDouble(writer, number, nonFinite); break;
            case int number: writer.WriteNumberValue(number); break;
            case long number: writer.WriteNumberValue(number); break;
            case bool truth: writer.WriteBooleanValue(truth); break;
            case string text: writer.WriteStringValue(Text(text, secret)); break;
            case decimal number: writer.WriteNumberValue(number); break;
            case ulong number: writer.WriteNumberValue(number); break;
            case short or ushort or byte or sbyte or uint: writer.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case Half number: WriteDouble(writer, (double)number, nonFinite); break;
            case BigInteger number: writer.WriteRawValue(number.ToString(CultureInfo.InvariantCulture), skipInputValidation: true); break;
            case Enum name: writer.WriteStringValue(name.ToString()); break;
            case char letter: writer.WriteStringValue(Text(letter.ToString(), secret)); break;
            case DateTimeOffset time: writer.WriteStringValue(time.ToString("O", CultureInfo.InvariantCulture)); break;
            case DateTime time: writer.WriteStringValue(time.ToString("O", CultureInfo.InvariantCulture)); break;
            case TimeSpan span: WriteDouble(writer, span.TotalSeconds, nonFinite); break;
            case RawJson raw: writer.WriteRawValue(raw.Text, skipInputValidation: true); break;
            case JsonElement element: Write(writer, path, JsonSerializer.SerializeToNode(element), nonFinite, secret, depth); break;
            case JsonValue leaf: writer.WriteRawValue(leaf.ToJsonString(), skipInputValidation: true); break;
            case Histogram histogram: Write(writer, path, histogram.ToMembers(), nonFinite, secret, depth); break;
            default: WriteNested(writer, path, value, nonFinite, secret, depth); break;
        }
    }

    /// <summary>The text without secrets and without halves of surrogate pairs, which UTF-8 cannot hold.</summary>
    public static string Text(string text, Secrets? secret)
    {
        var clean = secret is null ? text : secret.Scrub(text);
        return clean.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? clean : string.Concat(clean.EnumerateRunes().Select(rune => rune.ToString()));
    }

    private static void WriteNested(Utf8JsonWriter writer, string path, object value, NonFinite nonFinite, Secrets? secret, int depth)
    {
        if (depth >= DeepestNesting)
        {
            throw new ArgumentException($"key \"{path}\": nested deeper than {DeepestNesting}; does the value contain itself?");
        }

        if (Members(value) is { } members)
        {
            writer.WriteStartObject();
            foreach (var (name, member) in members)
            {
                writer.WritePropertyName(Text(name, secret));
                Write(writer, path, member, nonFinite, secret, depth + 1);
            }

            writer.WriteEndObject();
        }
        else if (value is IEnumerable list)
        {
            writer.WriteStartArray();
            foreach (var item in list)
            {
                Write(writer, path, item, nonFinite, secret, depth + 1);
            }

            writer.WriteEndArray();
        }
        else
        {
            throw new ArgumentException(
                $"key \"{path}\": a value of type {value.GetType()} cannot be logged; expected a number, text, truth value, date, list, dictionary, Histogram, "
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

    private static void WriteDouble(Utf8JsonWriter writer, double number, NonFinite nonFinite)
    {
        if (double.IsFinite(number))
        {
            writer.WriteNumberValue(number);
            return;
        }

        var word = double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
        writer.WriteRawValue(nonFinite is NonFinite.Bare ? word : $"\"{word}\"", skipInputValidation: true);
    }
}

/// <summary>JSON text that is already written.</summary>
/// <param name="Text">The value's text.</param>
internal sealed record RawJson(string Text);
