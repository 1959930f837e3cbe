using NotebookRunner.Pages;
using NotebookRunner.Reports;
using NotebookRunner.Running;

namespace NotebookRunner.Commands;

/// <summary>The last lines of a run: what failed and where, and where the files are.</summary>
internal static class RunClosing
{
    /// <summary>Prints them; the error goes to stderr.</summary>
    public static void Print(RunState run, ReportFiles files)
    {
        if (run.CodeCells.FirstOrDefault(cell => cell.Error is not null) is { } failed)
        {
            Console.Error.WriteLine($"\nCell {failed.Number}, {failed.Name}{Place(run, failed)}: {failed.Error!.Name}");
            Console.Error.WriteLine(AnsiText.Strip(failed.Error.Message));
            if (failed.Error.Details.Length > 0)
            {
                Console.Error.WriteLine(AnsiText.Strip(failed.Error.Details));
            }

            var left = run.CodeCells.Count(cell => cell.Status is RunStatus.NotRun);
            Console.Error.WriteLine(left > 0 ? $"{left} code cells after it were not run.\n" : "");
        }

        var word = run.Status switch { RunStatus.Ok => "Done", RunStatus.Interrupted => "Interrupted", _ => "Failed" };
        Console.Out.WriteLine($"{word} after {Durations.InWords(run.Seconds)}.");
        Console.Out.WriteLine($"  page      {files.Page}");
        Console.Out.WriteLine($"  notebook  {files.Jupyter}");
        Console.Out.WriteLine($"  facts     {files.Summary}");
    }

    private static string Place(RunState run, CellState cell) => cell.Error!.Line == 0
        ? ""
        : $", line {cell.Error.Line}{(cell.ErrorLine > 0 ? $" ({run.NotebookName} line {cell.ErrorLine})" : "")}";
}
