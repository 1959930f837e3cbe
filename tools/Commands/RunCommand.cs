using System.CommandLine;
using System.Globalization;
using NotebookRunner.Reports;
using NotebookRunner.Running;
using Spectre.Console;

namespace NotebookRunner.Commands;

/// <summary><c>run NOTEBOOK</c>: executes the cells and writes page, .ipynb and run.json.</summary>
internal static class RunCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var settings = new RunSettings();
        var output = new Option<string?>("--output", "-o") { Description = "Folder for the page, the .ipynb and run.json [default: results/runs/<notebook>-<time>]", HelpName = "folder" };
        var command = new Command("run", "Runs a notebook and writes a page, an .ipynb and run.json") { output };
        settings.AddTo(command);
        command.SetAction((arguments, _) =>
        {
            var path = arguments.GetValue(settings.Notebook)!;
            var (timeout, grace) = settings.Limits(arguments);
            return RunAsync(new(path, Path.GetFullPath(arguments.GetValue(output) ?? DefaultFolder(path)), timeout, grace), settings.Values(arguments));
        });
        return command;
    }

    /// <summary>The notebook would refuse the folder in a cell of its own: by then the page of the run that is there would be gone.</summary>
    private static void RefuseRunOf(string folder, IReadOnlyDictionary<string, string> values)
    {
        var checkpoints = Path.Combine(folder, "checkpoints");
        if (values.ContainsKey("output") || values.GetValueOrDefault("resume") == "true" || !Directory.Exists(checkpoints))
        {
            return;
        }

        // As the library's CheckpointStore.FindRun, which would load libtorch before the runner has said a word.
        var found = Directory.EnumerateDirectories(checkpoints).Select(path => Path.GetFileName(path)!).FirstOrDefault(name => name == "best" || name.StartsWith("checkpoint-", StringComparison.Ordinal));
        if (found is not null)
        {
            throw new BadInputException($"{folder} holds a run already (checkpoints/{found}). Go on with it by -p resume=true -p output={folder}, or choose another --output.");
        }
    }

    private static async Task<int> RunAsync(RunOptions options, IReadOnlyDictionary<string, string> values)
    {
        var state = RunPreparation.Prepare(options.NotebookPath, values);
        RefuseRunOf(options.OutputFolder, values);
        var reports = new ReportFiles(options.NotebookPath, options.OutputFolder);
        WritableFolder.Prove(options.OutputFolder, () => reports.Write(state));
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

    private static string DefaultFolder(string notebook) =>
        Path.Combine("results", "runs", $"{Path.GetFileNameWithoutExtension(notebook)}-{DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}");
}
