extern alias lib;

using System.IO.Compression;
using System.Text.Json;
using lib::NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookRunner.Verification;

/// <summary>Small services for checks of numbers.</summary>
internal static class GoldenFolder
{
    /// <summary>Reads a file of tensors to where networks are.</summary>
    public static Dictionary<string, Tensor> Read(string path, VerifyOptions options) =>
        SafetensorsFile.ReadAll(path).ToDictionary(pair => pair.Key, pair => pair.Value.to(options.Device), StringComparer.Ordinal);

    /// <summary>The largest absolute difference of two tensors; NaN when shapes differ or a number is not finite.</summary>
    public static double Difference(Tensor actual, Tensor golden)
    {
        using var scope = NewDisposeScope();
        if (actual.numel() != golden.numel())
        {
            return double.NaN;
        }

        return actual.numel() == 0 ? 0 : (actual.detach().cpu().to(float64).flatten() - golden.cpu().to(float64).flatten()).abs().max().item<double>();
    }

    /// <summary>The folder itself when it holds a network, else the folders below it, by name.</summary>
    public static IReadOnlyList<string> Networks(string folder) =>
        File.Exists(Path.Combine(folder, "config.json")) ? [folder] : [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal)];

    /// <summary>The largest number; NaN when one is.</summary>
    public static double Largest(IEnumerable<double> values) => values.Aggregate(0.0, Math.Max);

    /// <summary>Rows of one golden; when it cannot be compared at all, one failed row, so that its neighbours are still checked.</summary>
    /// <param name="name">What the row is about.</param>
    /// <param name="check">Compares.</param>
    /// <param name="quantity">What a failed row says it is about.</param>
    public static IEnumerable<CheckResult> Guard(string name, Func<IEnumerable<CheckResult>> check, string quantity = "comparable")
    {
#pragma warning disable CA1031 // Any failure is a finding of this table.
        try
        {
            return [.. check()];
        }
        catch (Exception error)
        {
            return [CheckResult.Failed(name, quantity, $"{error.GetType().Name}: {error.Message}")];
        }
#pragma warning restore CA1031
    }
}

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

/// <summary>Counts, per quantity, the cases that were compared exactly and those that differ.</summary>
/// <param name="folder">What the rows are about, for instance <c>tokenizer/words.jsonl.gz</c>.</param>
internal sealed class ExactTally(string folder)
{
    private readonly Dictionary<string, (int Cases, int Wrong, string First)> _counts = [];

    /// <summary>Counts one case.</summary>
    /// <param name="quantity">What was compared.</param>
    /// <param name="expected">The golden.</param>
    /// <param name="actual">What this build makes.</param>
    /// <param name="line">Where the golden stands.</param>
    public void Count<T>(string quantity, ReadOnlySpan<T> expected, ReadOnlySpan<T> actual, int line)
        where T : IEquatable<T>
    {
        var (cases, wrong, first) = _counts.GetValueOrDefault(quantity, (0, 0, ""));
        var isWrong = !expected.SequenceEqual(actual);
        _counts[quantity] = (cases + 1, wrong + (isWrong ? 1 : 0), isWrong && wrong == 0 ? $", first in line {line}" : first);
    }

    /// <summary>Compares all cases of a file; a case that cannot be read ends the file with a failed row.</summary>
    /// <param name="count">Goes through the file and counts.</param>
    public List<CheckResult> Rows(Action<ExactTally> count)
    {
        var problem = "";
        try
        {
            count(this);
        }
        catch (Exception error) when (error is InvalidDataException or IOException or ArgumentException or KeyNotFoundException or InvalidOperationException
            or FormatException or IndexOutOfRangeException)
        {
            problem = $"{error.GetType().Name}: {error.Message}";
        }

        var rows = _counts.Select(pair => new CheckResult(folder, pair.Key, pair.Value.Wrong, 0, Invariant($"{pair.Value.Cases:N0} cases{pair.Value.First}")))
            .ToList();
        if (problem.Length > 0)
        {
            rows.Add(CheckResult.Failed(folder, "readable cases", problem));
        }
        else if (rows.Count == 0)
        {
            rows.Add(CheckResult.Failed(folder, "cases", "no case with fields that this check knows"));
        }

        return rows;
    }
}
