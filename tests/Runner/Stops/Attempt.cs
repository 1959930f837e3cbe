using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace NotebookLib.Tests.Runner.Stops;

/// <summary>How a run in the runner is stopped.</summary>
internal enum StopWay
{
    /// <summary>SIGINT to all of its processes, as Ctrl-C.</summary>
    Interrupt,

    /// <summary>SIGTERM to all of them.</summary>
    Terminate,

    /// <summary>SIGHUP to all of them.</summary>
    HangUp,

    /// <summary>SIGKILL to all of them.</summary>
    Kill,

    /// <summary>SIGKILL to the runner alone.</summary>
    KillRunner,

    /// <summary>SIGKILL to the kernel alone.</summary>
    KillKernel,

    /// <summary>The pseudo-terminal that it runs in goes away.</summary>
    ClosedTerminal,

    /// <summary>Whatever it prints fails, since the disk is full; then SIGINT.</summary>
    FullOutput,
}

/// <summary>One process of a run, from the command that a person types to its end.</summary>
internal sealed partial class Attempt : IDisposable
{
    private const int HangUpSignal = 1;
    private const int InterruptSignal = 2;
    private const int KillSignal = 9;
    private const int TerminateSignal = 15;

    private readonly Process _process;
    private readonly StopWay? _way;
    private readonly string _folder;
    private readonly string _log;
    private readonly long _tracked;

    private Attempt(Process process, StopWay? way, string folder, string log, long tracked) =>
        (_process, _way, _folder, _log, _tracked) = (process, way, folder, log, tracked);

    /// <summary>What it printed.</summary>
    public string Printed => File.Exists(_log) ? File.ReadAllText(_log) : "";

    public int ExitCode => _process.ExitCode;

    /// <summary>
    /// The command with which the run goes on, as it was printed last; where nothing could be printed, as the run's facts have it; null when it was not said
    /// yet.
    /// </summary>
    public string? ResumeCommand
    {
        get
        {
            var said = _way is StopWay.FullOutput
                ? (string?)Facts?["cells"]?.AsArray().Select(cell => cell?["error"]?["message"]).FirstOrDefault(message => message is not null) ?? "" : Printed;
            return ResumeLine().Matches(said).LastOrDefault()?.Groups[1].Value.Trim();
        }
    }

    /// <summary>What the run's folder says of the run; null before there is anything.</summary>
    public JsonNode? Facts => File.Exists(Path.Combine(_folder, "run.json")) ? JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "run.json"))) : null;

    /// <summary>The process of this attempt wrote to the tracked run: its training is about to begin.</summary>
    public bool IsTracking => TrackedBytes(_folder) > _tracked;

    /// <summary>Types a command.</summary>
    /// <param name="workspace">Where.</param>
    /// <param name="command">The command.</param>
    /// <param name="run">The run's name.</param>
    /// <param name="way">How it will be stopped, which decides where it runs; null for not at all.</param>
    public static Attempt Start(RunWorkspace workspace, string command, string run, StopWay? way)
    {
        var log = workspace.PathOf($"{run}.log");
        File.Delete(log);
        var script = way switch
        {
            StopWay.ClosedTerminal => "exec script -qefc \"$COMMAND\" \"$LOG\" > /dev/null 2>&1 < /dev/null",
            StopWay.FullOutput => "eval \"exec $COMMAND\" > /dev/full 2> /dev/full",
            _ => "eval \"exec $COMMAND\" > \"$LOG\" 2>&1",
        };
        // A session of its own, whose processes can be signalled together.
        var how = new ProcessStartInfo("setsid", ["env", "--default-signal=INT,HUP", "bash", "-c", script]) { WorkingDirectory = workspace.Folder };
        (how.Environment["COMMAND"], how.Environment["LOG"]) = (command, log);
        how.Environment["OMP_NUM_THREADS"] = RunWorkspace.Threads.ToString(CultureInfo.InvariantCulture);
        var folder = workspace.RunFolder(run);
        var tracked = TrackedBytes(folder);
        return new(Process.Start(how)!, way, folder, log, tracked);
    }

    /// <summary>Waits until something has happened.</summary>
    /// <returns>False when the process ended before.</returns>
    public async Task<bool> UntilAsync(Func<bool> hasHappened)
    {
        while (!hasHappened())
        {
            if (_process.HasExited)
            {
                return false;
            }

            await Task.Delay(20, Cancel);
        }

        return !_process.HasExited;
    }

    /// <summary>Stops it, and waits until the last of its processes is gone.</summary>
    public async Task StopAsync()
    {
        if (_way is StopWay.KillKernel)
        {
            await UntilAsync(() => ChildrenOf(_process.Id).Count > 0);
        }

        var family = FamilyOf(_process.Id);
        var (target, signal) = _way switch
        {
            StopWay.Interrupt or StopWay.FullOutput => (-_process.Id, InterruptSignal),
            StopWay.Terminate => (-_process.Id, TerminateSignal),
            StopWay.HangUp => (-_process.Id, HangUpSignal),
            StopWay.KillKernel => (ChildrenOf(_process.Id).FirstOrDefault(_process.Id), KillSignal),
            StopWay.Kill => (-_process.Id, KillSignal),
            _ => (_process.Id, KillSignal),
        };
        _ = Kill(target, signal);
        await _process.WaitForExitAsync(Cancel);
        while (family.Any(IsAlive))
        {
            await Task.Delay(20, Cancel);
        }
    }

    public async Task EndAsync() => await _process.WaitForExitAsync(Cancel);

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _ = Kill(-_process.Id, KillSignal);
        }

        _process.Dispose();
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static long TrackedBytes(string folder)
    {
        var wandb = Path.Combine(folder, "wandb");
        return Directory.Exists(wandb) ? Directory.EnumerateFiles(wandb, "journal.log", SearchOption.AllDirectories).Sum(path => new FileInfo(path).Length) : 0;
    }

    private static List<int> FamilyOf(int process) => [process, .. ChildrenOf(process).SelectMany(FamilyOf)];

    private static List<int> ChildrenOf(int process)
    {
        try
        {
            return [.. Directory.EnumerateDirectories($"/proc/{process}/task")
                .SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Select(child => int.Parse(child, CultureInfo.InvariantCulture))];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static bool IsAlive(int process)
    {
        try
        {
            // pid (name) state …
            return File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1][0] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"(?:goes on with|Go on with)\r?\n +(\S.*)")]
    private static partial Regex ResumeLine();

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
