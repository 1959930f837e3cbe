using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>Watches one cell for time-outs and for people who want to stop: asks first, then ends the process.</summary>
internal sealed class StopWatcher(KernelProcess kernel, RunOptions options, StopRequests stops, Action<string> notice)
{
    private static readonly string[] CancellationNames = [typeof(OperationCanceledException).FullName!, typeof(TaskCanceledException).FullName!];

    // What .NET says when nobody has worded it: no news after "it stopped when asked".
    private static readonly string[] BareCancellations = [new OperationCanceledException().Message, new TaskCanceledException().Message];

    private TimeSpan? _killAt;
    private bool _wasKilled;

    /// <summary>Why the cell was asked to stop; null when it was not.</summary>
    public RunStatus? Reason { get; private set; }

    /// <summary>Looks at the clock and at the requests; called several times a second.</summary>
    /// <param name="elapsed">Since the cell began.</param>
    public async Task LookAsync(TimeSpan elapsed)
    {
        if (Reason is null && stops.Count > 0)
        {
            await AskAsync(RunStatus.Interrupted, $"Stopping at the next safe point; {stops.Word} once more ends it at once.");
        }
        else if (Reason is null && elapsed > options.CellTimeout)
        {
            _killAt = elapsed + options.Grace;
            await AskAsync(RunStatus.TimedOut, Invariant($"The cell takes longer than {options.CellTimeout.Value.TotalSeconds:0.#} s: asked it to stop."));
        }

        if (!_wasKilled && (stops.Count > 1 || elapsed > _killAt))
        {
            _wasKilled = true;
            kernel.Kill();
        }
    }

    /// <summary>The error to report for a cell that was stopped; null when it was not.</summary>
    /// <param name="death">How the cell's process ended, in words; null when the cell came to its own end after being asked.</param>
    /// <param name="raised">What the cell threw in answer, if anything.</param>
    public CellError? Explanation(string? death, CellError? raised)
    {
        // A kernel that the same signal ended, before it could listen, is no failure of the notebook; nobody has looked at the requests since.
        Reason ??= death is not null && stops.Count > 0 ? RunStatus.Interrupted : null;
        var (line, details) = (raised?.Line ?? 0, raised?.Details ?? "");
        var how = death is null ? "it stopped when asked"
            : _wasKilled ? "it did not stop when asked, so its process was ended"
            : $"its process is gone: {death}";
        var said = raised is null ? "" : OwnWords(raised);
        return Reason switch
        {
            RunStatus.TimedOut =>
                new("time-out", Invariant($"The cell took longer than {options.CellTimeout!.Value.TotalSeconds:0.#} s (--timeout); {how}.{said}"), line,
                    details),
            RunStatus.Interrupted => new("interrupted", $"Somebody asked to stop ({stops.Word}); {how}.{said}", line, details),
            _ => null,
        };
    }

    /// <summary>What the cell itself said about its end, on a line of its own: where its state lies, how to go on.</summary>
    private static string OwnWords(CellError raised) => raised.Message switch
    {
        var text when BareCancellations.Contains(text) => "",
        var text when CancellationNames.Contains(raised.Name) => $"\n{text}",
        var text => $"\n{raised.Name}: {text}",
    };

    private async Task AskAsync(RunStatus reason, string announcement)
    {
        Reason = reason;
        notice(announcement);
        await kernel.SendAsync(new KernelRequest.Interrupt());
    }
}
