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
        var profile = new Option<string?>("--profile") { Description = "Short for -p profile=NAME: what holds in another profile" };
        var values = new Option<string[]>("-p", "--parameter")
        {
            Description = "Sets a parameter, name=value; others may depend on it",
            Arity = ArgumentArity.ZeroOrMore
        };
        var command = new Command("parameters", "Lists the parameters of a notebook: name, type, the value that holds, meaning") { notebook, profile, values };
        command.SetAction(arguments => List(
            arguments.GetValue(notebook)!,
            [.. arguments.GetValue(values) ?? [], .. arguments.GetValue(profile) is { } name ? [$"profile={name}"] : Array.Empty<string>()]));
        return command;
    }

    private static int List(string path, IReadOnlyList<string> pairs)
    {
        var cell = ParameterCell.Find(NotebookFile.Read(path).Cells)
            ?? throw new BadInputException($"{path} has no parameter cell: a C# cell whose first line is a comment beginning with 'parameters'.");
        var table = new Table().Border(TableBorder.Rounded).AddColumns("Name", "Type", "Value", "Meaning");
        foreach (var value in cell.Valued(ParameterPairs.Read(pairs)))
        {
            table.AddRow(new Text(value.Parameter.Name), new Text(value.Parameter.TypeName), new Text(Held(value)), new Text(value.Parameter.Doc));
        }

        AnsiConsole.Write(table);
        return ExitCodes.Ok;
    }

    /// <summary>What the machine chooses, as <c>PrecisionPolicy.Half</c> does, comes to what it chooses here; all else stands as it is.</summary>
    private static string Held(ParameterValue value)
    {
        var chosen = value.Parameter.Type.Members.Count > 0 && value.Literal.Split('.') is [var type, var name]
            && LibraryTypes.Find(type) is { IsEnum: false } found ? found.GetProperty(name) : null;
        return chosen is null ? value.Literal : $"{chosen.PropertyType.Name}.{chosen.GetValue(null)} on this machine";
    }
}
