using System.CommandLine;
using System.Globalization;
using NotebookRunner.Documents;
using NotebookRunner.Parameters;
using NotebookRunner.Reports;
using NotebookRunner.Running;
using Spectre.Console;

namespace NotebookRunner.Commands;

/// <summary><c>run NOTEBOOK</c>: executes the cells and writes page, .ipynb and run.json.</summary>
internal static class RunCommand
{
    private const string ProfileParameter = "profile";

    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var notebook = new Argument<string>("notebook") { Description = "The notebook, .dib or .ipynb" };
        var parameters = new Option<string[]>("--parameter", "-p") { Description = "name=value, sets a parameter of the notebook; may be repeated", HelpName = "name=value" };
        var profile = new Option<string?>("--profile") { Description = "Short for -p profile=…", HelpName = "demo|small|full|published" };
        var output = new Option<string?>("--output", "-o") { Description = "Folder for the page, the .ipynb and run.json [default: results/runs/<notebook>-<time>]", HelpName = "folder" };
        var timeout = new Option<double?>("--timeout") { Description = "Seconds that one cell may take [default: no limit]", HelpName = "seconds" };
        var grace = new Option<double>("--grace") { Description = "Seconds that a cell may take to stop after a time-out before its process is ended", HelpName = "seconds", DefaultValueFactory = _ => 10 };
        var command = new Command("run", "Runs a notebook and writes a page, an .ipynb and run.json") { notebook, parameters, profile, output, timeout, grace };
        command.SetAction((arguments, _) =>
        {
            var path = arguments.GetValue(notebook)!;
            var values = ReadValues(arguments.GetValue(parameters) ?? [], arguments.GetValue(profile));
            var folder = Path.GetFullPath(arguments.GetValue(output) ?? DefaultFolder(path));
            return RunAsync(new(path, folder, Seconds(arguments.GetValue(timeout)), Seconds(arguments.GetValue(grace))!.Value), values);
        });
        return command;
    }

    private static async Task<int> RunAsync(RunOptions options, IReadOnlyDictionary<string, string> values)
    {
        var state = Prepare(options, values);
        var reports = new ReportFiles(options.NotebookPath, options.OutputFolder);
        WriteFirst(reports, state);
        using var stops = new StopRequests();
        IRunView view = AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected ? new TerminalRunView(AnsiConsole.Console) : new PlainRunView(Console.Out);
        var run = new NotebookRun(state, options, view, reports.Write, stops);
        await view.ShowWhileAsync(state, run.ExecuteAsync);
        RunClosing.Print(state, reports);
        if (run.SaveProblem is not null)
        {
            Console.Error.WriteLine($"The report on disk is not the last one: {run.SaveProblem}");
            return ExitCodes.Failed;
        }

        return state.Status switch { RunStatus.Ok => ExitCodes.Ok, RunStatus.Interrupted => ExitCodes.Interrupted, _ => ExitCodes.Failed };
    }

    /// <summary>Reads the notebook, sets the parameters, and refuses what could not be run anyway.</summary>
    private static RunState Prepare(RunOptions options, IReadOnlyDictionary<string, string> values)
    {
        var notebook = NotebookFile.Read(options.NotebookPath);
        var name = Path.GetFileName(options.NotebookPath);
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
            Started = DateTimeOffset.Now,
            Parameters = cell?.Valued(values) ?? [],
            Cells = [.. notebook.Cells.Select((c, i) => new CellState(i + 1, names[i], c, i == cell?.Index ? cell.With(values) : c.Source))],
        };
    }

    /// <summary>Proves that the folder can be written before an hour of work depends on it.</summary>
    private static void WriteFirst(ReportFiles reports, RunState state)
    {
        try
        {
            reports.Write(state);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{Path.GetDirectoryName(reports.Page)}: cannot be written: {error.Message} Choose another folder with --output.", error);
        }
    }

    private static Dictionary<string, string> ReadValues(IEnumerable<string> pairs, string? profile)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in profile is null ? pairs : pairs.Append($"{ProfileParameter}={profile}"))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new ParameterException($"-p {pair}: expected name=value, for instance -p seed=42.");
            }

            if (!values.TryAdd(pair[..equals].Trim(), pair[(equals + 1)..]))
            {
                throw new ParameterException($"-p {pair}: '{pair[..equals].Trim()}' is set twice.");
            }
        }

        return values;
    }

    private static TimeSpan? Seconds(double? seconds) => seconds switch
    {
        null => null,
        >= 0 and < 1e8 => TimeSpan.FromSeconds(seconds.Value),
        _ => throw new BadInputException($"{seconds}: expected a number of seconds between 0 and 1e8."),
    };

    private static string DefaultFolder(string notebook) =>
        Path.Combine("results", "runs", $"{Path.GetFileNameWithoutExtension(notebook)}-{DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}");
}
