using NotebookLib.Platform;
using NotebookRunner.Kernel;
using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>A sweep as lines of text: runs at the same time take turns line by line, so each line names its combination.</summary>
internal sealed class SweepLines(TextWriter output) : ISweepView
{
    /// <inheritdoc />
    public IRunView Begin(SweepPoint point, int number, int count, RunState run)
    {
        var prefix = $"[{number}/{count} {point.Words}]";
        Say($"{prefix} begins");
        return new RunLines(prefix, this, run.CodeCells.Count);
    }

    /// <inheritdoc />
    public void Notice(string text) => Say(text);

    /// <inheritdoc />
    public void End(SweepResult result, string? holder)
    {
        var scores = string.Join(", ", result.Scores.Take(3).Select(score => $"{score.Key} {NumberText.Short(score.Value)}"));
        var outcome = result.Status is RunStatus.Ok
            ? $"ok{(scores.Length > 0 ? $": {scores}" : "")}" : $"{result.Status.ToString().ToUpperInvariant()}: {result.Problem}";
        Say($"[{result.Point.Words}] {outcome} ({NumberText.InWords(result.Seconds)}{(holder is null ? "" : $"; by {holder}")})");
    }

    private void Say(string text)
    {
        // Names and messages of other processes: a terminal takes some characters for commands.
        var lines = string.Join('\n', text.Split('\n').Select(line => Excerpt.Of(line, int.MaxValue)));
        lock (output)
        {
            output.WriteLine(lines);
            output.Flush();
        }
    }

    private sealed class RunLines(string prefix, SweepLines lines, int codeCells) : IRunView
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

        private readonly ProgressLine _progress = new();
        private TimeSpan _lastTold;
        private int _done;

        public Task ShowWhileAsync(RunState run, Func<Task> work) => work();

        public void CellStarted(CellState cell)
        {
            _progress.Clear();
            _lastTold = TimeSpan.Zero;
        }

        public void Happened(KernelEvent happened) => _progress.Read(happened);

        public void Tick(CellState cell, TimeSpan elapsed)
        {
            if (elapsed - _lastTold > Interval)
            {
                _lastTold = elapsed;
                lines.Say($"{prefix} {_done}/{codeCells} {cell.Name}, "
                    + $"{NumberText.InWords(elapsed.TotalSeconds)}{(_progress.Text.Length > 0 ? $" · {_progress.Text}" : "")}");
            }
        }

        public void CellEnded(CellState cell) => _done++;

        public void Notice(string text) => lines.Say($"{prefix} ! {text}");
    }
}
