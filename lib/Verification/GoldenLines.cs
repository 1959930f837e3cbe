using System.IO.Compression;
using System.Text.Json;

namespace NotebookLib.Verification;

/// <summary>Reads goldens that are text, one case a line, plain or gzipped.</summary>
internal static class GoldenLines
{
    /// <summary>Lines of a file; gzip is known by the name's end.</summary>
    public static IEnumerable<string> Read(string path)
    {
        using var file = File.OpenRead(path);
        using Stream content = path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file;
        using var reader = new StreamReader(content);
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    /// <summary>Cases of a JSON-lines file; each is valid until the next is asked for.</summary>
    /// <exception cref="InvalidDataException">A line is no JSON object.</exception>
    public static IEnumerable<(int Line, JsonElement Case)> ReadJson(string path)
    {
        var number = 0;
        foreach (var line in Read(path))
        {
            number++;
            if (line.Length > 0)
            {
                using var document = Parse(path, number, line);
                yield return (number, document.RootElement);
            }
        }
    }

    /// <summary>Files of a folder by the end of their names, with or without <c>.gz</c>, in the order of their names.</summary>
    public static IEnumerable<string> FilesOf(string folder, string ending) =>
        Directory.EnumerateFiles(folder)
            .Where(path => path.EndsWith(ending, StringComparison.Ordinal) || path.EndsWith(ending + ".gz", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);

    /// <summary>A list of whole numbers; null counts as −1, as in <c>word_ids</c>.</summary>
    public static int[] Integers(this JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Null ? -1 : item.GetInt32())];

    /// <summary>A list of texts.</summary>
    public static string[] Texts(this JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(item => item.GetString()!)];

    /// <summary>A list of pairs.</summary>
    public static (int Start, int End)[] Pairs(this JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(item => (item[0].GetInt32(), item[1].GetInt32()))];

    /// <summary>True when the case has this field.</summary>
    public static bool Has(this JsonElement element, string name) => element.TryGetProperty(name, out _);

    private static JsonDocument Parse(string path, int number, string line)
    {
        try
        {
            var document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.Object ? document : throw new JsonException("not an object");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{Path.GetFileName(path)}, line {number}: expected a JSON object ({error.Message})", error);
        }
    }
}
