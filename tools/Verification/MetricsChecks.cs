extern alias lib;

using System.Text.Json;
using lib::NotebookLib.Data;
using lib::NotebookLib.Metrics;

namespace NotebookRunner.Verification;

/// <summary>
/// Compares the scores with seqeval's: files <c>*.jsonl</c> or <c>*.jsonl.gz</c> of cases (<c>true</c>, <c>pred</c>, <c>default</c>, <c>strict</c>,
/// <c>accuracy</c>), and folders with <c>model_outputs.jsonl.gz</c> (<c>labels</c>, <c>predictions</c>) and the published <c>test_results.txt</c>.
/// </summary>
internal static class MetricsChecks
{
    private const double ScoreTolerance = 1e-12;
    private const int MaxLineBytes = 16 << 20;

    private const string FolderName = "metrics";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare);

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options) => JsonLinesFiles(folder, "*")
        .SelectMany(file => Guarded(file, name => CheckCases(name, file)))
        .Concat(Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal)
            .Select(there => (Folder: there, Report: Path.Combine(there, "test_results.txt"), Outputs: JsonLinesFiles(there, "model_outputs").FirstOrDefault()))
            .Where(published => published.Outputs is not null && File.Exists(published.Report))
            .SelectMany(published => Guarded(published.Folder, name => [CheckPublished(name, published.Outputs!, published.Report)])));

    private static IEnumerable<string> JsonLinesFiles(string folder, string name) =>
        Directory.EnumerateFiles(folder, $"{name}.jsonl").Concat(Directory.EnumerateFiles(folder, $"{name}.jsonl.gz")).Order(StringComparer.Ordinal);

    private static IEnumerable<CheckResult> Guarded(string path, Func<string, List<CheckResult>> check)
    {
        var name = $"{FolderName}/{Path.GetFileName(path)}";
        return GoldenFolder.Guard(name, () => check(name), "readable goldens");
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

/// <summary>The largest differences between our scores and seqeval's over a file of cases.</summary>
internal sealed class CaseDifferences
{
    public int Count { get; private set; }

    public double Lenient { get; private set; }

    public double Strict { get; private set; }

    public double Accuracy { get; private set; }

    public int Reports { get; private set; }

    /// <summary>The first case whose report differs, from 0, or null.</summary>
    public int? FirstReport { get; private set; }

    /// <summary>Digits behind the decimal point of a report's scores.</summary>
    public static int DigitsOf(string report)
    {
        var point = report.IndexOf('.', StringComparison.Ordinal);
        var end = point < 0 ? -1 : report.AsSpan(point + 1).IndexOfAnyExceptInRange('0', '9');
        return Math.Clamp(end, 0, 15);
    }

    public void Add(JsonElement json)
    {
        var scorer = new SequenceScorer();
        foreach (var (gold, predicted) in json.GetProperty("true").EnumerateArray().Zip(json.GetProperty("pred").EnumerateArray()))
        {
            scorer.Add(TagsOf(gold), TagsOf(predicted));
        }

        var lenient = scorer.Scores(EntityScheme.Lenient);
        Lenient = Math.Max(Lenient, Compare(lenient, json.GetProperty("default")));
        Strict = Math.Max(Strict, Compare(scorer.Scores(EntityScheme.StrictIob2), json.GetProperty("strict")));
        Accuracy = Math.Max(Accuracy, Math.Abs(lenient.Accuracy - json.GetProperty("accuracy").GetDouble()));
        Count++;
    }

    public static string[] TagsOf(JsonElement tags) => [.. tags.EnumerateArray().Select(tag => tag.GetString()!)];

    private double Compare(SequenceScores ours, JsonElement theirs)
    {
        if (theirs.TryGetProperty("error", out _))
        {
            // seqeval fails where no sequence has an entity: then we must have found none either.
            return ours.Types.Count == 0 ? 0 : double.PositiveInfinity;
        }

        var report = theirs.GetProperty("report").GetString()!;
        if (ours.ToReport(DigitsOf(report)) != report)
        {
            Reports++;
            FirstReport ??= Count;
        }

        var rows = theirs.GetProperty("dict").EnumerateObject().ToDictionary(row => row.Name, row => row.Value, StringComparer.Ordinal);
        ScoreRow[] all = [.. ours.Types, ours.Micro, ours.Macro, ours.Weighted];
        return all.Length == rows.Count && all.All(row => rows.ContainsKey(row.Name))
            ? Math.Max(all.Max(row => Difference(row, rows[row.Name])), Difference(ours.Micro, theirs, "f1"))
            : double.PositiveInfinity;
    }

    private static double Difference(ScoreRow row, JsonElement golden, string f1Name = "f1-score")
    {
        var scores = Math.Max(
            Math.Abs(row.Precision - golden.GetProperty("precision").GetDouble()),
            Math.Max(Math.Abs(row.Recall - golden.GetProperty("recall").GetDouble()), Math.Abs(row.F1 - golden.GetProperty(f1Name).GetDouble())));
        return golden.TryGetProperty("support", out var support) ? Math.Max(scores, Math.Abs(row.Support - support.GetDouble())) : scores;
    }
}
