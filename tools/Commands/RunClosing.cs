using System.Text.RegularExpressions;
using NotebookLib.Platform;
using NotebookRunner.Pages;
using NotebookRunner.Reports;
using NotebookRunner.Running;

namespace NotebookRunner.Commands;

/// <summary>The last lines of a run: what failed and where, and where the files are.</summary>
internal static partial class RunClosing
{
    /// <summary>Prints them; the error goes to stderr.</summary>
    /// <param name="run">The run.</param>
    /// <param name="files">Its reports.</param>
    /// <param name="folder">Its folder, when the runner can go on with it there; null for a program.</param>
    public static void Print(RunState run, ReportFiles files, string? folder)
    {
        if (run.CodeCells.FirstOrDefault(cell => cell.Error is not null) is { } failed)
        {
            Console.Error.WriteLine($"\nCell {failed.Number}, {failed.Name}{Place(run, failed)}: {failed.Error!.Name}");
            Console.Error.WriteLine(AnsiText.Strip(failed.Error.Message));
            PrintDetails(AnsiText.Strip(failed.Error.Details));

            var left = run.CodeCells.Count(cell => cell.Status is RunStatus.NotRun);
            Console.Error.WriteLine(left > 0 ? $"{left} code cells after it were not run.\n" : "");
        }

        var word = run.Status switch { RunStatus.Ok => "Done", RunStatus.Interrupted => "Interrupted", _ => "Failed" };
        Console.Out.WriteLine($"{word} after {NumberText.InWords(run.Seconds)}.");
        if (run.About.Length > 0)
        {
            Console.Out.WriteLine($"  {run.About}");
        }

        foreach (var (title, scores) in run.GroupedScores)
        {
            Console.Out.WriteLine(
                $"  {(title.Length > 0 ? title + ": " : "")}{string.Join(", ", scores.Select(score => $"{score.Name} {NumberText.Short(score.Value)}"))}");
        }

        Console.Out.WriteLine($"  page      {files.Page}");
        Console.Out.WriteLine($"  notebook  {files.Jupyter}");
        Console.Out.WriteLine($"  facts     {files.Summary}");
        if (run.Status is not RunStatus.Ok && folder is not null)
        {
            Console.Out.WriteLine($"Go on with{(RankOfJob.Count > 1 ? ", behind mpirun with any number of ranks that shares the update," : "")}\n"
                + $"  {KeptRun.CommandFor(folder)}");
        }
    }

    /// <summary>Where it happened: the notebook's own lines; the library's, which say little to its user, are on the page.</summary>
    private static void PrintDetails(string details)
    {
        var lines = details.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.TrimStart().StartsWith("---", StringComparison.Ordinal))
            .ToArray();
        var shown = Array.FindAll(lines, line => !line.TrimStart().StartsWith("at ", StringComparison.Ordinal) || CellFrame().IsMatch(line));
        foreach (var line in shown)
        {
            Console.Error.WriteLine(line);
        }

        if (shown.Length < lines.Length)
        {
            Console.Error.WriteLine($"   ({lines.Length - shown.Length} more frames on the page)");
        }
    }

    [GeneratedRegex(@" in cell \d+")]
    private static partial Regex CellFrame();

    private static string Place(RunState run, CellState cell) => cell.Error!.Line == 0
        ? ""
        : $", line {cell.Error.Line}{(cell.ErrorLine > 0 ? $" ({run.NotebookName} line {cell.ErrorLine})" : "")}";
}
