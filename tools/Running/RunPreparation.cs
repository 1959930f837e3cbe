using NotebookRunner.Documents;
using NotebookRunner.Parameters;

namespace NotebookRunner.Running;

/// <summary>Makes a run of a notebook: reads it, sets its parameters, and refuses what could not be run anyway.</summary>
internal static class RunPreparation
{
    /// <summary>Reads a notebook and sets its parameters.</summary>
    /// <param name="path">The .dib or .ipynb.</param>
    /// <param name="values">Values from the command line, by parameter name.</param>
    /// <exception cref="NotebookFormatException">The file is missing or damaged, or has cells of a kernel that is not here.</exception>
    /// <exception cref="ParameterException">An unknown parameter or a value of another type.</exception>
    public static RunState Prepare(string path, IReadOnlyDictionary<string, string> values)
    {
        var notebook = NotebookFile.Read(path);
        var name = Path.GetFileName(path);
        if (notebook.Cells.FirstOrDefault(cell => !cell.IsCSharp && !cell.IsMarkdown) is { } foreign)
        {
            throw new NotebookFormatException($"{name}, line {foreign.Line}: a cell for the kernel '{foreign.Kernel}'; this runner executes csharp and shows markdown.");
        }

        var cell = ParameterCell.Find(notebook.Cells);
        if (cell is null && values.Count > 0)
        {
            throw new ParameterException($"{name} has no parameter cell (a C# cell whose first line is a comment beginning with 'parameters'), so {values.Keys.First()} cannot be set.");
        }

        var names = CellNames.Of(notebook.Cells);
        return new()
        {
            NotebookName = name,
            NotebookHash = CellNames.Hash(notebook.Cells),
            Started = DateTimeOffset.Now,
            Parameters = cell?.Valued(values) ?? [],
            Cells = [.. notebook.Cells.Select((c, i) => new CellState(i + 1, names[i], c, i == cell?.Index ? cell.With(values) : c.Source))],
        };
    }
}
