using System.CommandLine;
using NotebookLib.Platform;
using NotebookRunner.Documents;
using NotebookRunner.Reports;

namespace NotebookRunner.Commands;

/// <summary><c>convert NOTEBOOK --to ipynb|dib</c>: the same cells in the other format, without running them.</summary>
internal static class ConvertCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var notebook = new Argument<string>("notebook") { Description = "The notebook, .dib or .ipynb" };
        var format = new Option<string>("--to") { Description = "The format to write", Required = true };
        format.AcceptOnlyFromAmong("ipynb", "dib");
        var output = new Option<string?>("--output", "-o") { Description = "The file to write [default: beside the notebook]", HelpName = "file" };
        var command = new Command("convert", "Writes a notebook in the other format, without outputs") { notebook, format, output };
        command.SetAction(arguments => Convert(arguments.GetValue(notebook)!, arguments.GetValue(format)!, arguments.GetValue(output)));
        return command;
    }

    private static int Convert(string path, string format, string? output)
    {
        var target = Path.GetFullPath(output ?? Path.ChangeExtension(path, format));
        if (target == Path.GetFullPath(path))
        {
            throw new BadInputException($"{path} is a .{format} already; name another file with --output.");
        }

        var notebook = NotebookFile.Read(path);
        AtomicFile.WriteText(target, format == "dib" ? DibDocument.Write(notebook) : JupyterExport.ToJson(notebook));
        Console.Out.WriteLine(target);
        return ExitCodes.Ok;
    }
}
