using System.CommandLine;
using NotebookRunner;
using NotebookRunner.Commands;
using NotebookRunner.Documents;
using NotebookRunner.Kernel;
using NotebookRunner.Parameters;
using NotebookRunner.Running;
using Spectre.Console;

// The kernel process: started by the runner itself, never by a person.
if (args is [KernelProcess.KernelCommandName, var pipeName, var marker])
{
    await KernelHost.ServeAsync(pipeName, marker);

    // Threads that cells left behind must not keep the process.
    Environment.Exit(ExitCodes.Ok);
}

// No failure of a terminal or of the disk behind a log ends a run.
LenientWriter.TakeOver();

if (Console.IsOutputRedirected)
{
    // Tables in a log are not bent to the 80 columns of a terminal that is not there.
    AnsiConsole.Profile.Width = 180;
}

var root = new RootCommand("""
    Runs .NET notebooks headless, uses what they trained, and checks this build.

    Exit codes: 0 all went well; 1 a cell failed or timed out, or a verification, an upload or an annotation fell short; 2 bad input, nothing was run; 130 interrupted.
    """)
{
    RunCommand.Create(), SweepCommand.Create(), AnnotateCommand.Create(), ServeCommand.Create(), ExportCommand.Create(), ParametersCommand.Create(),
    VerifyCommand.Create(), SyncCommand.Create(), ConvertCommand.Create(),
};

try
{
    var parsed = root.Parse(args);
    var code = await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    return parsed.Errors.Count > 0 ? ExitCodes.BadInput : code;
}
catch (Exception error) when (error is BadInputException or NotebookFormatException or ParameterException)
{
    RankOfJob.LetTheFirstSpeak();
    Console.Error.WriteLine(error.Message);
    return ExitCodes.BadInput;
}
catch (KernelStartException error)
{
    Console.Error.WriteLine(error.Message);
    return ExitCodes.Failed;
}
