using System.Text.Json;
using NotebookLib.Data;
using NotebookLib.Metrics;

namespace NotebookLib.Verification;

/// <summary>
/// Compares the scores with seqeval's: files <c>*.jsonl</c> or <c>*.jsonl.gz</c> of cases (<c>true</c>, <c>pred</c>, <c>default</c>, <c>strict</c>,
/// <c>accuracy</c>), and folders with <c>model_outputs.jsonl.gz</c> (<c>labels</c>, <c>predictions</c>) and the published <c>test_results.txt</c>.
/// </summary>
public sealed class MetricsChecks : IGoldenCheck
{
    private const double ScoreTolerance = 1e-12;
    private const int MaxLineBytes = 16 << 20;

    /// <inheritdoc />
    public string FolderName => "metrics";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        foreach (var file in JsonLinesFiles(folder, "*"))
        {
            foreach (var row in Guarded($"metrics/{Path.GetFileName(file)}", name => CheckCases(name, file)))
            {
                yield return row;
            }
        }

        foreach (var published in Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal))
        {
            var (report, outputs) = (Path.Combine(published, "test_results.txt"), JsonLinesFiles(published, "model_outputs").FirstOrDefault());
            if (File.Exists(report) && outputs is not null)
            {
                foreach (var row in Guarded($"metrics/{Path.GetFileName(published)}", name => [CheckPublished(name, outputs, report)]))
                {
                    yield return row;
                }
            }
        }
    }

    private static IEnumerable<string> JsonLinesFiles(string folder, string name) =>
        Directory.EnumerateFiles(folder, $"{name}.jsonl").Concat(Directory.EnumerateFiles(folder, $"{name}.jsonl.gz")).Order(StringComparer.Ordinal);

    private static List<CheckResult> Guarded(string name, Func<string, List<CheckResult>> check)
    {
        try
        {
            return check(name);
        }
        catch (Exception error) when (error is JsonException or InvalidDataException or IOException or KeyNotFoundException or InvalidOperationException
            or ArgumentException)
        {
            return [CheckResult.Failed(name, "readable goldens", error.Message)];
        }
    }

    private static List<CheckResult> CheckCases(string name, string file)
    {
        var differences = new CaseDifferences();
        foreach (var json in Lines(file))
        {
            using (json)
            {
                differences.Add(json.RootElement);
            }
        }

        var note = $"{differences.Count} cases";
        return
        [
            new(name, "scores, default mode", differences.Lenient, ScoreTolerance, note),
            new(name, "scores, strict IOB2", differences.Strict, ScoreTolerance, note),
            new(name, "token accuracy", differences.Accuracy, ScoreTolerance, note),
            new(name, "report text", differences.Reports, 0,
                differences.FirstReport is { } first ? $"first differs in case {first}" : $"{2 * differences.Count} reports"),
        ];
    }

    private static CheckResult CheckPublished(string name, string outputs, string report)
    {
        var scorer = new SequenceScorer();
        foreach (var json in Lines(outputs))
        {
            using (json)
            {
                scorer.Add(CaseDifferences.TagsOf(json.RootElement.GetProperty("labels")), CaseDifferences.TagsOf(json.RootElement.GetProperty("predictions")));
            }
        }

        var expected = File.ReadAllText(report).ReplaceLineEndings("\n").TrimEnd();
        var scores = scorer.Scores(EntityScheme.Lenient);
        var actual = scores.ToReport(CaseDifferences.DigitsOf(expected)).TrimEnd();
        var differing = expected.Split('\n').Zip(actual.Split('\n')).Count(lines => lines.First.TrimEnd() != lines.Second.TrimEnd())
            + Math.Abs(expected.Count(c => c == '\n') - actual.Count(c => c == '\n'));
        return new(name, "published report, lines that differ", differing, 0, $"{scores.SentenceCount} sentences, {scores.Micro.Support} entities");
    }

    private static IEnumerable<JsonDocument> Lines(string file)
    {
        using var lines = new LineReader(TextFile.Open(file, out _), MaxLineBytes);
        while (lines.Read())
        {
            if (!lines.Current.IsEmpty)
            {
                yield return JsonDocument.Parse(lines.Current);
            }
        }
    }
}
