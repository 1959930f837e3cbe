using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>
/// Spoils the bytes of a sound file as chance, failing disks, other programs and enemies do: bits, lengths, counts, cuts, swaps, nesting, text that is no
/// UTF-8, lone surrogates, keys that stand twice, names that leave the folder. One seed gives one mutation.
/// </summary>
/// <param name="seed">Of every choice.</param>
/// <param name="outside">A folder that no reader may write into: names that lead there are among the values.</param>
internal sealed class Mutator(int seed, string outside)
{
    private static readonly long[] s_numbers =
    [
        0, 1, -1, 2, 7, 8, 127, 128, 255, 256, -128, 32_767, 65_535, 65_536, 1_000_000, int.MaxValue, int.MinValue, int.MaxValue + 1L, uint.MaxValue,
        uint.MaxValue + 1L, 1L << 40, 1L << 62, long.MaxValue, long.MinValue,
    ];

    private static readonly string[] s_jsonValues =
    [
        "null", "true", "false", "0", "-1", "1.5", "1e999", "-1e999", "1e5", "9223372036854775808", "-2147483648", "99999999999999999999999999", "\"\"",
        "\"x\"", "\"1e5\"", "\"NaN\"", "[]", "{}", "[null]", "[[]]", "{\"a\":1}", "[1,\"x\",null]", "\"\\ud800\"", "\"\\udc00x\"", "\"\\u0000\"",
        "\"a\\u0000b\"", "\"\\\\\"", "\"9999-99-99T99:99:99\"", "NaN", "-Infinity", "\"\\u202e\"", "\"<script>alert(1)</script>\"",
    ];

    private static readonly string[] s_broken =
    [
        "\uFEFF", "\0", "\"", "\\", "{", "}", "[", "]", ":", ",", "\n", "\r\n", "\r", "\t", " ", "-", "\u2028", "=", ";", "'", "#!", "```", "../", "//", "$(",
        "%00", "](javascript:alert(1))", "<javascript:alert(1)>", "![x](", "<img src=x onerror=alert(1)>", "\u001b[31m", "> ", "|-|\n",
    ];

    private static readonly byte[][] s_noUtf8 =
        [[0xFF], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xC0, 0x80], [0xE2, 0x82], [0xFF, 0xFE]];

    private readonly Random _random = new(seed);

    private string[] Names =>
        ["../x", "../../outside/x", $"{outside}/x", "/dev/zero", "a/../../x", "C:\\x", ".", "..", "con", new string('n', 300), "x\0y", "~/x"];

    /// <summary>The file with one to four faults in it.</summary>
    /// <param name="sound">The file as a writer left it.</param>
    /// <param name="other">Another sound file, for parts that do not belong.</param>
    public byte[] Mutate(byte[] sound, byte[] other)
    {
        var bytes = sound;
        for (var times = 1 + (_random.Next(3) == 0 ? _random.Next(4) : 0); times > 0; times--)
        {
            bytes = Once(bytes, other);
        }

        return bytes;
    }

    public bool Chance(double share) => _random.NextDouble() < share;

    public int Next(int bound) => _random.Next(bound);

    private byte[] Once(byte[] bytes, byte[] other)
    {
        var looksLikeText = bytes.AsSpan(0, Math.Min(bytes.Length, 512)).IndexOf((byte)0) < 0;
        var kind = _random.Next(looksLikeText ? 24 : 13);
        return kind switch
        {
            0 => Changed(bytes, copy => copy[At(copy)] ^= (byte)(1 << _random.Next(8))),
            1 => Changed(bytes, copy => copy[At(copy)] = (byte)_random.Next(256)),
            2 => Changed(bytes, WriteNumber),
            3 => Changed(bytes, WriteNumber),
            4 => bytes[..At(bytes)],
            5 => bytes[At(bytes)..],
            6 => Insert(bytes, Stretch(bytes)),
            7 => Remove(bytes),
            8 => Changed(bytes, Swap),
            9 => Insert(bytes, Stretch(other)),
            10 => Insert(bytes, new byte[1 + _random.Next(64)]),
            11 => Insert(bytes, Pick(s_noUtf8)),
            12 => ReplaceName(bytes),
            13 => Insert(bytes, Encoding.UTF8.GetBytes(Pick(s_broken))),
            14 => ReplaceNumber(bytes),
            15 => Lines(bytes),
            16 => Insert(bytes, Encoding.UTF8.GetBytes(
                string.Concat(Enumerable.Repeat(Pick(["[", "{\"a\":", "(", "<a>", "\"", "x", "-"]), _random.Next(2_000))))),
            _ => Json(bytes),
        };
    }

    private int At(byte[] bytes) => bytes.Length == 0 ? 0 : _random.Next(4) == 0 ? _random.Next(Math.Min(bytes.Length, 64))
        : _random.Next(4) == 0 ? bytes.Length - 1 - _random.Next(Math.Min(bytes.Length, 256)) : _random.Next(bytes.Length);

    private T Pick<T>(T[] values) => values[_random.Next(values.Length)];

    private static byte[] Changed(byte[] bytes, Action<byte[]> change)
    {
        if (bytes.Length == 0)
        {
            return bytes;
        }

        var copy = bytes.ToArray();
        change(copy);
        return copy;
    }

    private void WriteNumber(byte[] copy)
    {
        var (number, at, size) = (Pick(s_numbers), At(copy), Pick([1, 2, 4, 8]));
        Span<byte> eight = stackalloc byte[8];
        if (_random.Next(2) == 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(eight, number);
        }
        else
        {
            BinaryPrimitives.WriteInt64BigEndian(eight, number << (64 - (8 * size)));
        }

        eight[..Math.Min(size, copy.Length - at)].CopyTo(copy.AsSpan(at));
    }

    private void Swap(byte[] copy)
    {
        var (a, b, length) = (At(copy), At(copy), 1 + _random.Next(32));
        for (var i = 0; i < length && a + i < copy.Length && b + i < copy.Length; i++)
        {
            (copy[a + i], copy[b + i]) = (copy[b + i], copy[a + i]);
        }
    }

    private byte[] Stretch(byte[] bytes)
    {
        var at = At(bytes);
        return bytes.AsSpan(at, Math.Min(bytes.Length - at, _random.Next(256))).ToArray();
    }

    private byte[] Insert(byte[] bytes, byte[] what)
    {
        var at = At(bytes);
        return [.. bytes.AsSpan(0, at), .. what, .. bytes.AsSpan(at)];
    }

    private byte[] Remove(byte[] bytes)
    {
        var at = At(bytes);
        var length = Math.Min(bytes.Length - at, 1 + _random.Next(_random.Next(2) == 0 ? 4 : 256));
        return [.. bytes.AsSpan(0, at), .. bytes.AsSpan(at + length)];
    }

    /// <summary>A name of letters within, whatever the format, becomes a path that leads elsewhere or one of another length.</summary>
    private byte[] ReplaceName(byte[] bytes)
    {
        var start = At(bytes);
        while (start < bytes.Length && !char.IsAsciiLetter((char)bytes[start]))
        {
            start++;
        }

        var end = start;
        while (end < bytes.Length && ((char)bytes[end] is '.' or '-' or '_' || char.IsAsciiLetterOrDigit((char)bytes[end])))
        {
            end++;
        }

        return [.. bytes.AsSpan(0, start), .. Encoding.UTF8.GetBytes(Pick(Names)), .. bytes.AsSpan(end)];
    }

    private byte[] ReplaceNumber(byte[] bytes)
    {
        var start = At(bytes);
        while (start < bytes.Length && !char.IsAsciiDigit((char)bytes[start]))
        {
            start++;
        }

        var end = start;
        while (end < bytes.Length && char.IsAsciiDigit((char)bytes[end]))
        {
            end++;
        }

        var number = _random.Next(4) == 0 ? Pick(["1e999", "NaN", "0x10", "1.5", "00", "1_000", "٣"]) : Pick(s_numbers).ToString(CultureInfo.InvariantCulture);
        return [.. bytes.AsSpan(0, start), .. Encoding.UTF8.GetBytes(number), .. bytes.AsSpan(end)];
    }

    private byte[] Lines(byte[] bytes)
    {
        var lines = Encoding.Latin1.GetString(bytes).Split('\n').ToList();
        var (a, b) = (_random.Next(lines.Count), _random.Next(lines.Count));
        switch (_random.Next(5))
        {
            case 0:
                lines.RemoveAt(a);
                break;
            case 1:
                lines.Insert(b, lines[a]);
                break;
            case 2:
                (lines[a], lines[b]) = (lines[b], lines[a]);
                break;
            case 3:
                lines[a] += lines[b];
                break;
            default:
                lines[a] = string.Join(Pick([",", "\t", " ", ";"]), lines[a].Split(',', '\t', ' ').Reverse());
                break;
        }

        return Encoding.Latin1.GetBytes(string.Join('\n', lines));
    }

    /// <summary>One member or entry of the file's JSON, or of the JSON of one of its lines, is replaced, removed, doubled, renamed or moved.</summary>
    private byte[] Json(byte[] bytes)
    {
        var text = Encoding.UTF8.GetString(bytes);
        var (start, end) = Document(text);
        if (Parsed(text[start..end]) is not { } root)
        {
            return ReplaceNumber(bytes);
        }

        var places = new List<JsonNode>();
        Gather(root, places, 0);
        var place = places[_random.Next(places.Count)];
        // A value that no JsonNode can hold stands in its place as a mark until the text is written.
        var mark = $"mark{_random.Next(int.MaxValue)}";
        var raw = _random.Next(12) switch
        {
            0 => new string('[', 40) + new string(']', 40),
            1 => string.Concat(Enumerable.Repeat("{\"a\":", 2_000)) + "1" + new string('}', 2_000),
            2 => '"' + new string('y', _random.Next(5_000)) + '"',
            3 or 4 => JsonSerializer.Serialize(Pick(Names)),
            5 => Pick(s_numbers).ToString(CultureInfo.InvariantCulture),
            6 => places[_random.Next(places.Count)].ToJsonString(),
            _ => Pick(s_jsonValues),
        };
        var key = "";
        switch (place.Parent)
        {
            case JsonObject parent:
                var name = place.GetPropertyName();
                switch (_random.Next(6))
                {
                    case 0:
                        parent.Remove(name);
                        break;
                    case 1:
                        key = Pick(["\\ud800", "", "__proto__", "\\u0000", Escaped(name).ToUpperInvariant(), "\\udfff" + Escaped(name)]);
                        parent[mark] = parent[name]!.DeepClone();
                        parent.Remove(name);
                        return Put($"\"{mark}\"", $"\"{key}\"");
                    case 2:
                        parent[mark] = mark;
                        return Put($"\"{mark}\":\"{mark}\"", $"\"{Escaped(name)}\":{raw}");
                    default:
                        parent[name] = mark;
                        break;
                }

                break;
            case JsonArray parent:
                var index = place.GetElementIndex();
                switch (_random.Next(4))
                {
                    case 0:
                        parent.RemoveAt(index);
                        break;
                    case 1:
                        parent.Insert(index, place.DeepClone());
                        break;
                    default:
                        parent[index] = mark;
                        break;
                }

                break;
            default:
                return [.. Encoding.UTF8.GetBytes(text[..start] + raw + text[end..])];
        }

        return Put($"\"{mark}\"", raw);

        byte[] Put(string marked, string value) =>
            Encoding.UTF8.GetBytes(text[..start] + root.ToJsonString().Replace(marked, value, StringComparison.Ordinal) + text[end..]);
    }

    private static string Escaped(string name) => JsonSerializer.Serialize(name)[1..^1];

    /// <summary>Where JSON stands in a text: all of it, or the object of one line, or between its first and last bracket.</summary>
    private (int Start, int End) Document(string text)
    {
        var trimmed = text.AsSpan().Trim();
        if (trimmed.Length > 0 && trimmed[0] is '{' or '[' && !trimmed.Contains("}\n{", StringComparison.Ordinal))
        {
            return (0, text.Length);
        }

        var line = _random.Next(text.Length + 1);
        var start = text.LastIndexOf('\n', Math.Max(0, line - 1)) + 1;
        var end = text.IndexOf('\n', start) is var found and >= 0 ? found : text.Length;
        return text.IndexOf('{', start, end - start) is var brace and >= 0 ? (brace, end) : (start, end);
    }

    private static JsonNode? Parsed(string json)
    {
        try
        {
            var root = JsonNode.Parse(json, documentOptions: new() { MaxDepth = 200, AllowDuplicateProperties = false });
            return root?.ToJsonString() is null ? null : root;
        }
        catch (Exception error) when (error is JsonException or ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }

    private static void Gather(JsonNode? node, List<JsonNode> places, int level)
    {
        if (node is null || places.Count > 5_000)
        {
            return;
        }

        places.Add(node);
        foreach (var child in node is JsonObject members ? members.Select(pair => pair.Value)
            : node is JsonArray entries ? entries : Enumerable.Empty<JsonNode?>())
        {
            Gather(child, places, level + 1);
        }
    }
}
