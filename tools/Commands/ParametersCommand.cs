using System.CommandLine;
using NotebookRunner.Documents;
using NotebookRunner.Parameters;
using Spectre.Console;

namespace NotebookRunner.Commands;

/// <summary><c>parameters NOTEBOOK</c>: lists what can be set with -p.</summary>
internal static class ParametersCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var notebook = new Argument<string>("notebook") { Description = "The notebook, .dib or .ipynb" };
        var command = new Command("parameters", "Lists the parameters of a notebook: name, type, default, meaning") { notebook };
        command.SetAction(arguments => List(arguments.GetValue(notebook)!));
        return command;
    }

    private static int List(string path)
    {
        var cell = ParameterCell.Find(NotebookFile.Read(path).Cells)
            ?? throw new BadInputException($"{path} has no parameter cell: a C# cell whose first line is a comment beginning with 'parameters'.");
        var table = new Table().Border(TableBorder.Rounded).AddColumns("Name", "Type", "Default", "Meaning");
        foreach (var parameter in cell.Parameters)
        {
            table.AddRow(new Text(parameter.Name), new Text(parameter.TypeName), new Text(parameter.Literal), new Text(parameter.Doc));
        }

        AnsiConsole.Write(table);
        return ExitCodes.Ok;
    }
}
