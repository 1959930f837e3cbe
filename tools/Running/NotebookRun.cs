using System.Diagnostics;
using System.Globalization;
using NotebookLib.Platform;
using NotebookRunner.Kernel;
using NotebookRunner.Reports;

namespace NotebookRunner.Running;

/// <summary>Runs the cells of a notebook in order, stops at the first that does not end well, and saves the report soon after each.</summary>
internal sealed class NotebookRun(RunState state, RunOptions options, IRunView view, Action<RunState> save, StopRequests stops)
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan SaveInterval = TimeSpan.FromSeconds(15);

    // A report takes longer to write the longer it is: cells that end soon after one another share one, so that writing takes no more than a tenth of the time.
    private const int RestAfterSave = 10;

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private TimeSpan _lastSave, _lastSaveTook;
    private bool _isBehind;
    private OutputLimit _limit = new();

    /// <summary>Why the last report could not be saved; null when it lies on disk.</summary>
    public string? SaveProblem { get; private set; }

    /// <summary>Runs everything; how it went is in the state.</summary>
    /// <exception cref="KernelStartException">The process for the cells did not come up.</exception>
    public async Task ExecuteAsync()
    {
        LenientWriter.MaskBy(SecretMask.Text);
        state.Status = RunStatus.Running;
        ScoresFile.Forget(options.OutputFolder);
        Save();
        try
        {
            await RunCellsAsync();
        }
        catch (KernelStartException) when (stops.Count > 0)
        {
            // The signal that asked to stop went to the whole group, and the kernel was not up to listen: no cell was run.
        }

        state.Status = state.Outcome;
        Save();
    }

    private async Task RunCellsAsync()
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(options.NotebookPath))!;
        await using var kernel = await KernelProcess.StartAsync(folder, Variables());
        foreach (var cell in state.CodeCells)
        {
            if (stops.Count > 0 || !await RunCellAsync(kernel, cell))
            {
                if (options.IsRank && RankOfJob.Count > 1 && stops.Count == 0)
                {
                    // It would wait for the others, who wait for it.
                    kernel.Kill();
                }

                return;
            }
        }

        if (options.IsRank && RankOfJob.Count > 1)
        {
            // Ranks leave together: one that has less to write, or a faster disk, waits.
            await kernel.EndAsync(stops.Wish);
        }
    }

    private Dictionary<string, string> Variables()
    {
        var variables = new Dictionary<string, string>(RankOfJob.Variables(state, options.IsRank))
        {
            [HostContract.OutputVariable] = options.OutputFolder,
            [HostContract.ResumeVariable] = KeptRun.CommandFor(options.OutputFolder)
        };
        if (options.Threads is { } threads)
        {
            // libtorch and MKL take their number of threads from here.
            variables["OMP_NUM_THREADS"] = variables["MKL_NUM_THREADS"] = threads.ToString(CultureInfo.InvariantCulture);
        }

        return variables;
    }

    private async Task<bool> RunCellAsync(KernelProcess kernel, CellState cell)
    {
        var clock = Stopwatch.StartNew();
        cell.Status = RunStatus.Running;
        view.CellStarted(cell);
        await kernel.SendAsync(
            new KernelRequest.RunCell(cell.Number, $"{state.NotebookName}#cell-{cell.Number}.cs", cell.Cell.Kernel, cell.Source, cell.Answers));
        var stop = new StopWatcher(kernel, options, stops, view.Notice);
        _limit = new();
        var done = await FollowAsync(kernel, cell, stop, clock);
        cell.Seconds = done?.Seconds ?? clock.Elapsed.TotalSeconds;
        var death = done is null ? await kernel.ExitInWordsAsync() : null;
        cell.Error = stop.Explanation(death, cell.Error) ?? cell.Error
            ?? (death is null ? null : new("kernel died", $"The process that runs the cells is gone: {death}.", 0, ""));
        ReadScores(cell);
        cell.Status = stop.Reason ?? (cell.Error is null ? RunStatus.Ok : RunStatus.Failed);
        view.CellEnded(cell);
        _isBehind = true;
        SaveIfRested();
        return cell.Status == RunStatus.Ok;
    }

    /// <summary>Takes events until the cell is done.</summary>
    /// <returns>The end as the kernel told it, or null when the kernel died.</returns>
    private async Task<KernelEvent.Done?> FollowAsync(KernelProcess kernel, CellState cell, StopWatcher stop, Stopwatch clock)
    {
        var more = kernel.Events.WaitToReadAsync().AsTask();
        while (true)
        {
            if (await Task.WhenAny(more, Task.Delay(Heartbeat)) == more)
            {
                if (!await more)
                {
                    return null;
                }

                while (kernel.Events.TryRead(out var happened))
                {
                    if (Record(cell, happened) is { } done)
                    {
                        return done;
                    }
                }

                more = kernel.Events.WaitToReadAsync().AsTask();
            }

            await stop.LookAsync(clock.Elapsed);
            view.Tick(cell, clock.Elapsed);
            cell.Seconds = clock.Elapsed.TotalSeconds;
            _isBehind |= _clock.Elapsed - _lastSave > SaveInterval;
            SaveIfRested();
        }
    }

    private KernelEvent.Done? Record(CellState cell, KernelEvent received)
    {
        if (_limit.Apply(PasswordMask.Apply(received, state.Passwords)) is not { } happened)
        {
            return null;
        }

        view.Happened(happened);
        state.Record(cell, happened);
        switch (happened)
        {
            case KernelEvent.Ready ready:
                state.Versions["runtime"] = ready.Runtime;
                state.Versions["system"] = ready.System;
                break;
            case KernelEvent.Raised raised:
                cell.Error = CellOrder.Explain(raised.Error, cell, state.CodeCells);
                break;
            case KernelEvent.Done done when done.Number == cell.Number:
                foreach (var (name, version) in done.Libraries)
                {
                    state.Versions[name] = version;
                }

                return done;
        }

        return null;
    }

    private void ReadScores(CellState cell)
    {
        try
        {
            state.Scores = ScoresFile.Read(options.OutputFolder);
            (state.About, state.ScoreGroups) = ScoresFile.ReadAbout(options.OutputFolder);
        }
        catch (InvalidDataException error)
        {
            cell.Error ??= new("damaged scores", error.Message, 0, "");
        }
    }

    private void SaveIfRested()
    {
        if (_isBehind && _clock.Elapsed - _lastSave > RestAfterSave * _lastSaveTook)
        {
            Save();
        }
    }

    private void Save()
    {
        var begun = _clock.Elapsed;
        state.Seconds = begun.TotalSeconds;
        try
        {
            save(state);
            SaveProblem = null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A full disk must not end hours of training; the next save may succeed.
            SaveProblem = error.Message;
            view.Notice($"The report could not be saved: {error.Message}");
        }

        (_lastSave, _isBehind) = (_clock.Elapsed, false);
        _lastSaveTook = _lastSave - begun;
    }
}
