extern alias lib;

using System.CommandLine;
using System.Globalization;
using lib::NotebookLib.Platform;
using NotebookRunner.Verification;
using Spectre.Console;

namespace NotebookRunner.Commands;

/// <summary><c>verify FOLDER</c>: runs this build of the library against golden files.</summary>
internal static class VerifyCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var folder = new Argument<string>("folder")
        {
            Description =
            "A folder laid out like reference/ (model, tokenizer, alignment, metrics, …), or one of those"
        };
        var large = new Option<bool>("--large") { Description = "Also what needs more than 8 GB of memory or minutes of time" };
        var device = new Option<string>("--device") { Description = "Where networks compute", DefaultValueFactory = _ => "cpu" };
        device.AcceptOnlyFromAmong("cpu", "cuda");
        var command = new Command("verify", "Compares this build with golden files: what to do once on a new machine") { folder, large, device };
        command.SetAction(arguments =>
        {
            LibraryFolder.MakeLoadable();
            return Verify(arguments.GetValue(folder)!, arguments.GetValue(large), onCuda: arguments.GetValue(device) == "cuda");
        });
        return command;
    }

    // The library's types stand in methods of their own: one that names them is compiled only after they can be loaded.
    private static int Verify(string folder, bool includeLarge, bool onCuda)
    {
        var options = new VerifyOptions(includeLarge, OnCuda: onCuda);
        var rows = new List<CheckResult>();
        try
        {
            NativeLibraries.EnsureLoaded();
            Console.Out.WriteLine(Verifier.Describe(options));
            foreach (var row in Verifier.Run(folder, options))
            {
                rows.Add(row);
                ShowProgress(row);
            }
        }
        catch (Exception error) when (error is DirectoryNotFoundException or PlatformNotSupportedException)
        {
            throw new BadInputException(error.Message, error);
        }

        AnsiConsole.Write(TableOf(rows));
        var missed = rows.Count(row => !row.IsOk);
        Console.Out.WriteLine(missed == 0 ? $"All {rows.Count} quantities are within their tolerance." : $"{missed} of {rows.Count} quantities fall short.");
        return missed == 0 && rows.Count > 0 ? ExitCodes.Ok : ExitCodes.Failed;
    }

    /// <summary>Some goldens take a while: each row is told on stderr as it comes, the table follows whole.</summary>
    private static void ShowProgress(CheckResult row) => Console.Error.WriteLine($"{(row.IsOk ? "ok  " : "FAIL")} {row.Folder}: {row.Quantity}");

    private static Table TableOf(IEnumerable<CheckResult> rows)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("Folder", "Quantity");
        table.AddColumn(new TableColumn("Largest difference").RightAligned()).AddColumn(new TableColumn("Tolerance").RightAligned()).AddColumns("OK", "Note");
        foreach (var row in rows)
        {
            var (word, colour) = row.IsOk ? ("ok", Color.Green) : ("no", Color.Red);
            table.AddRow(new Text(row.Folder), new Text(row.Quantity), new Text(Number(row.LargestDifference)), new Text(Number(row.Tolerance)),
                new Text(word, colour), new Text(row.Note));
        }

        return table;
    }

    private static string Number(double value) => double.IsNaN(value) ? "–" : value == Math.Floor(value) && Math.Abs(value) < 1e7
        ? value.ToString("0", CultureInfo.InvariantCulture)
        : value.ToString("0.0e+0", CultureInfo.InvariantCulture);
}
