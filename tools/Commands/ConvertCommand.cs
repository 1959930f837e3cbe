using System.CommandLine;
using NotebookLib.Platform;
using NotebookRunner.Documents;
using NotebookRunner.Programs;
using NotebookRunner.Reports;

namespace NotebookRunner.Commands;

/// <summary><c>convert NOTEBOOK --to ipynb|dib|cs</c>: the same cells in another format, or as a program, without running them.</summary>
internal static class ConvertCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var notebook = new Argument<string>("notebook") { Description = "The notebook, .dib or .ipynb" };
        var format = new Option<string>("--to") { Description = "The format to write", Required = true };
        format.AcceptOnlyFromAmong("ipynb", "dib", "cs");
        var output = new Option<string?>("--output", "-o") { Description = "The file to write [default: beside the notebook]", HelpName = "file" };
        var force = new Option<bool>("--force") { Description = "Replace the file when it exists" };
        var command = new Command("convert", "Writes a notebook in another format without outputs, or as a program (cs) that `dotnet run` takes") { notebook,
            format, output, force };
        command.SetAction(arguments =>
            Convert(arguments.GetValue(notebook)!, arguments.GetValue(format)!, arguments.GetValue(output), arguments.GetValue(force)));
        return command;
    }

    private static int Convert(string path, string format, string? output, bool isForced)
    {
        var target = Path.GetFullPath(output ?? Path.ChangeExtension(path, format));
        if (target == Path.GetFullPath(path))
        {
            throw new BadInputException($"{path} is the notebook itself; name another file with --output.");
        }

        var notebook = NotebookFile.Read(path);
        if (Directory.Exists(target))
        {
            throw new BadInputException($"{target} is a folder; name a file with --output.");
        }

        // It may hold a person's edits, or a run's outputs.
        if (File.Exists(target) && !isForced)
        {
            throw new BadInputException($"{target} exists already and was left as it is. Name another file with --output, or replace it with --force.");
        }

        var text = format switch
        {
            "dib" => notebook.ToDib(),
            "cs" => ProgramText.Of(notebook, Path.GetFileName(path), target, Path.GetFullPath(Path.Combine(LibraryFolder.Location, "..", ".."))),
            _ => JupyterExport.ToJson(notebook),
        };
        WritableFolder.Prove(target, () => AtomicFile.WriteText(target, text));
        Console.Out.WriteLine(target);
        return ExitCodes.Ok;
    }
}
