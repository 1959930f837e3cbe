using NotebookRunner.Documents;
using NotebookRunner.Parameters;

namespace NotebookRunner.Running;

/// <summary>Makes a run of a notebook: reads it, sets its parameters, and refuses what could not be run anyway.</summary>
internal static class RunPreparation
{
    /// <summary>Reads a notebook and sets its parameters.</summary>
    /// <param name="path">The .dib or .ipynb.</param>
    /// <param name="values">Values from the command line, by parameter name.</param>
    /// <exception cref="NotebookFormatException">The file is missing or damaged, or has in it what cannot be run here.</exception>
    /// <exception cref="ParameterException">An unknown parameter, a value of another type, or a cell that asks for what no value answers.</exception>
    public static RunState Prepare(string path, IReadOnlyDictionary<string, string> values)
    {
        var notebook = NotebookFile.Read(path);
        var name = Path.GetFileName(path);
        var inputs = NotebookCheck.Run(notebook, name, Path.GetDirectoryName(Path.GetFullPath(path))!);
        if (notebook.Cells.Count == 0)
        {
            throw new NotebookFormatException($"{name} has no cells: nothing was run. Is it the file that you mean, and was it saved whole?");
        }

        var questions = inputs.SelectMany(cell => cell).DistinctBy(input => input.Name).ToList();
        var asked = questions.Select(input => input.Name).ToHashSet(StringComparer.Ordinal);
        var cell = ParameterCell.Find(notebook.Cells);
        var parameters = values.Where(value => !asked.Contains(value.Key) || cell?.Parameters.Any(parameter => parameter.Name == value.Key) == true)
            .ToDictionary();
        if (cell is null && parameters.Count > 0)
        {
            throw new ParameterException($"{name} has no parameter cell (a C# cell whose first line is a comment beginning with 'parameters'), "
                + $"so {parameters.Keys.First()} cannot be set.");
        }

        if (questions.Where(question => !values.ContainsKey(question.Name)).ToList() is { Count: > 0 } unanswered)
        {
            throw new ParameterException(string.Join('\n', unanswered.Select(question => $"{question.Place}: asks for '{question.Name}': "
                + $"answer it by -p {Pair(question.Name)}.")) + "\nNothing was run.");
        }

        IReadOnlyList<ParameterValue> valued;
        try
        {
            valued = cell?.Valued(parameters) ?? [];
        }
        catch (ParameterException fault)
        {
            throw new ParameterException($"{name}: {fault.Message}");
        }

        var names = CellNames.Of(notebook.Cells);
        return new()
        {
            NotebookName = name,
            NotebookPath = Path.GetFullPath(path),
            NotebookHash = CellNames.Hash(notebook.Cells),
            Started = DateTimeOffset.Now,
            Given = parameters,
            Passwords = [.. questions.Where(question => question.IsSecret).Select(question => values[question.Name])],
            Parameters = valued,
            Cells = [.. notebook.Cells.Select((c, i) => new CellState(i + 1, names[i], c, i == cell?.Index ? cell.With(parameters) : c.Source)
            {
                Answers = inputs[i].DistinctBy(input => input.Prompt).ToDictionary(input => input.Prompt, input => values[input.Name]),
            })],
        };
    }

    private static string Pair(string name) => name.Contains(' ', StringComparison.Ordinal) ? $"\"{name}=…\"" : $"{name}=…";
}
