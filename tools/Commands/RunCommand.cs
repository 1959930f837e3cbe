using System.CommandLine;
using System.Globalization;
using NotebookLib.Results;
using NotebookRunner.Reports;
using NotebookRunner.Running;
using Spectre.Console;

namespace NotebookRunner.Commands;

/// <summary>
/// <c>run NOTEBOOK</c>: executes the cells and writes page, .ipynb and run.json; <c>run --resume FOLDER</c> goes on with a run that was stopped, killed or
/// failed.
/// </summary>
internal static class RunCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var settings = new RunSettings();
        settings.Notebook.Arity = ArgumentArity.ZeroOrOne;
        var output = new Option<string?>("--output",
            "-o")
        {
            Description = "Folder for the page, the .ipynb and run.json [default: the notebook's own -p output=…, else results/runs/<notebook>-<time>]",
            HelpName = "folder"
        };
        var resume = new Option<string?>("--resume")
        {
            Description =
            "Goes on with the run of a folder: notebook, parameters, seeds and the run's names are the folder's",
            HelpName = "folder"
        };
        var goesOn = new Option<bool>("--continue")
        {
            Description = "With --output: goes on with the same run where it was begun there, and does nothing where it has ended well; "
                + "for schedulers, which type a command again",
        };
        var command = new Command("run", "Runs a notebook and writes a page, an .ipynb and run.json, or goes on with a run") { output, resume, goesOn };
        settings.AddTo(command);
        command.Validators.Add(result =>
        {
            var (hasNotebook, isResumed) = (result.GetValue(settings.Notebook) is not null, result.GetValue(resume) is not null);
            if (!hasNotebook && !isResumed)
            {
                result.AddError("Name a notebook to run, or a run to go on with: --resume FOLDER.");
            }
            else if (isResumed && result.GetValue(output) is not null)
            {
                result.AddError("--resume writes where the run lies; --output belongs to a new run.");
            }
            else if (result.GetValue(goesOn) && (isResumed || result.GetValue(output) is null))
            {
                result.AddError("--continue looks for the run in the folder of --output: run NOTEBOOK --output FOLDER --continue.");
            }
        });
        command.SetAction((arguments, _) =>
        {
            var (timeout, grace) = settings.Limits(arguments);
            var (notebook, values) = (arguments.GetValue(settings.Notebook), settings.Values(arguments));
            // Where a notebook's own parameter says that the run's files go, there belongs the page; a path counts from where the command is typed.
            if (values.GetValueOrDefault("output") is { Length: > 0 } files and not "null")
            {
                values["output"] = Path.GetFullPath(files);
            }

            if (arguments.GetValue(resume) is { } kept)
            {
                return ResumeAsync(Path.GetFullPath(kept), notebook, values, (timeout, grace));
            }

            if (arguments.GetValue(goesOn) && Path.GetFullPath(arguments.GetValue(output)!) is var begun && LostRuns.Facts(begun) is not null)
            {
                return ContinueAsync(begun, notebook!, values, (timeout, grace));
            }

            var folder = arguments.GetValue(output)
                ?? (values.GetValueOrDefault("output") is { Length: > 0 } own and not "null" ? own : DefaultFolder(notebook!));
            return RunAsync(new(notebook!, Path.GetFullPath(folder), timeout, grace), values);
        });
        return command;
    }

    /// <summary>Goes on with a run whose whole command is known: what it says has to be what the run was started with.</summary>
    private static Task<int> ContinueAsync(string folder, string notebook, Dictionary<string, string> given, (TimeSpan? Timeout, TimeSpan Grace) limits)
    {
        _ = RunPreparation.Prepare(notebook, given);
        if (!KeptRun.Read(folder, notebook, given, isWhole: true).HasEnded)
        {
            return ResumeAsync(folder, notebook, given, limits);
        }

        Console.Out.WriteLine($"{folder}: the run there ended well already.");
        return Task.FromResult(ExitCodes.Ok);
    }

    private static async Task<int> ResumeAsync(string folder, string? notebook, Dictionary<string, string> given, (TimeSpan? Timeout, TimeSpan Grace) limits)
    {
        if (RankOfJob.Own == 0)
        {
            LostRuns.Mark(folder);
        }

        var kept = KeptRun.Read(folder, notebook, given);
        if (kept.HasChanged && RankOfJob.Own == 0)
        {
            Console.Error.WriteLine($"{kept.NotebookPath} has changed since the run began: its cells of today are run, with the run's parameters.");
        }

        return await ExecuteAsync(new(kept.NotebookPath, folder, limits.Timeout, limits.Grace), kept.Values);
    }

    private static Task<int> RunAsync(RunOptions options, IReadOnlyDictionary<string, string> values)
    {
        if (RankOfJob.Own > 0)
        {
            return ExecuteAsync(options, values);
        }

        LostRuns.Mark(options.OutputFolder);
        // Before the page of a run that is there is replaced; the notebook would refuse the folder in a cell of its own.
        if (values.GetValueOrDefault("resume") != "true" && values.GetValueOrDefault("restart") != "true"
            && KeptRun.TrainedIn(options.OutputFolder) is { } found)
        {
            _ = RunPreparation.Prepare(options.NotebookPath, values);
            throw new BadInputException($"{options.OutputFolder} holds a run already (checkpoints/{found}). Go on with it by\n  "
                + $"{KeptRun.CommandFor(options.OutputFolder)}\nor choose another --output.");
        }

        return ExecuteAsync(options, values);
    }

    private static async Task<int> ExecuteAsync(RunOptions options, IReadOnlyDictionary<string, string> values)
    {
        options = options with { IsRank = true, Threads = RankOfJob.Threads };
        if (RankOfJob.Own > 0)
        {
            return await RankOfJob.ExecuteAsync(options, values);
        }

        var state = RunPreparation.Prepare(options.NotebookPath, values);
        using var held = KeptRun.Lock(options.OutputFolder);
        var reports = new ReportFiles(options.NotebookPath, options.OutputFolder);
        WritableFolder.Prove(options.OutputFolder, () => reports.Write(state));
        using var stops = new StopRequests();
        var isTerminal = AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected;
        var view = new GuardedRunView(isTerminal ? new TerminalRunView(AnsiConsole.Console) : new PlainRunView(Console.Out));
        Console.Out.WriteLine($"Should it be stopped or killed, it goes on with\n  {KeptRun.CommandFor(options.OutputFolder)}");
        if (RankOfJob.Count > 1)
        {
            Console.Out.WriteLine($"{RankOfJob.Count} ranks run it together; with mpirun before it, the line above goes on with any number of them."
                + (RankOfJob.Advice is { } advice ? $"\n{advice}" : ""));
        }

        var run = new NotebookRun(state, options, view, reports.Write, stops);
        await view.ShowWhileAsync(state, run.ExecuteAsync);
        RunClosing.Print(state, reports, options.OutputFolder);
        if (run.SaveProblem is not null)
        {
            Console.Error.WriteLine($"The report on disk is not the last one: {run.SaveProblem}");
            return ExitCodes.Failed;
        }

        return state.Status switch { RunStatus.Ok => ExitCodes.Ok, RunStatus.Interrupted => ExitCodes.Interrupted, _ => ExitCodes.Failed };
    }

    private static string DefaultFolder(string notebook) =>
        Path.Combine("results", "runs",
            $"{Path.GetFileNameWithoutExtension(notebook)}-{DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}");
}
