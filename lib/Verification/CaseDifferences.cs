using System.Text.Json;
using NotebookLib.Metrics;

namespace NotebookLib.Verification;

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
