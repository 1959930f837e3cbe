using System.Globalization;
using System.Text;
using NotebookLib.Platform;

namespace NotebookLib.Bench.Reports;

/// <summary>RESULTS.md: what people wrote about the results stays, what was measured is replaced between two marks.</summary>
internal static class ResultsFile
{
    private const string Start = "<!-- measured: written by `dotnet run --project bench`, do not edit -->";
    private const string End = "<!-- end of the measured part -->";

    /// <summary>Writes the measured part.</summary>
    /// <param name="path">The file; made where it is missing.</param>
    /// <param name="measured">Markdown.</param>
    public static void Write(string path, string measured)
    {
        var old = File.Exists(path) ? File.ReadAllText(path) : $"# Results\n\n{Start}\n{End}\n";
        var (start, end) = (old.IndexOf(Start, StringComparison.Ordinal), old.IndexOf(End, StringComparison.Ordinal));
        if (start < 0 || end < start)
        {
            throw new InvalidDataException($"{path}: expected the lines \"{Start}\" and \"{End}\"; put them back, or delete the file.");
        }

        AtomicFile.WriteText(path, old[..(start + Start.Length)] + "\n" + measured + old[end..]);
    }

    /// <summary>The measured part.</summary>
    public static string Compose(IEnumerable<(string Name, string Value)> facts, IReadOnlyList<(string Title, SectionReport? Report, string? Failure)> sections,
        TimeSpan took)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Measured {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC in {took.TotalMinutes:0.0} minutes.\n\n");
        text.Append(new Table(["machine", ""], [.. facts.Select(fact => (IReadOnlyList<string>)[fact.Name, fact.Value])]).ToMarkdown());
        var targets = sections.SelectMany(section => section.Report?.Targets ?? []).ToList();
        text.Append("\n## Targets\n\n").Append(new Table(["target", "wanted", "measured", "met"],
            [.. targets.Select(target => (IReadOnlyList<string>)[target.Name, target.Wanted, target.Measured, target.IsMet ? "yes" : "**no**"])]).ToMarkdown());
        foreach (var (title, report, failure) in sections)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## {title}\n\n").Append(report?.ToMarkdown() ?? $"This part failed and was left out: {failure}\n");
        }

        return text.ToString();
    }
}
