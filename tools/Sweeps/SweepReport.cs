using System.Globalization;
using NotebookLib.Data;
using NotebookLib.Platform;
using NotebookRunner.Reports;

namespace NotebookRunner.Sweeps;

/// <summary>The comparison of a sweep on disk: a page for people, a table for programs.</summary>
internal static class SweepReport
{
    /// <summary>The page's path.</summary>
    public static string PagePath(SweepOptions options) => Path.Combine(options.Folder, "comparison.html");

    /// <summary>The table's path.</summary>
    public static string TablePath(SweepOptions options) => Path.Combine(options.Folder, "comparison.csv");

    /// <summary>Writes both.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Write(SweepOptions options, IReadOnlyList<SweepResult> results)
    {
        AtomicFile.WriteText(TablePath(options), Csv(options, results));
        AtomicFile.WriteText(PagePath(options), SweepPage.Render(options, results));
    }

    /// <summary>One line per combination (RFC 4180): parameters, status, seconds, scores.</summary>
    public static string Csv(SweepOptions options, IReadOnlyList<SweepResult> results)
    {
        var scores = SweepScores.Names(results);
        var lines = results.Select(result => (string[])
        [
            .. result.Point.Values.Select(value => value.Value), RunJson.Word(result.Status), result.Seconds.ToString("0.###", CultureInfo.InvariantCulture),
            .. scores.Select(score => result.Scores.TryGetValue(score, out var value) ? value.ToString("R", CultureInfo.InvariantCulture) : ""),
        ]);
        string[] header = [.. options.Grid.Axes.Select(axis => axis.Key), "status", "seconds", .. scores];
        return string.Concat(lines.Prepend(header).Select(line => string.Join(',', line.Select(Quoted)) + "\n"));
    }

    private static string Quoted(string text)
    {
        var field = CsvText.Harmless(text);
        return field.AsSpan().IndexOfAny(",\"\r\n") < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
