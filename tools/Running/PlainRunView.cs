using NotebookLib.Platform;
using NotebookRunner.Kernel;
using NotebookRunner.Pages;

namespace NotebookRunner.Running;

/// <summary>Progress as lines of text, for logs and pipes: a line per cell, its streams indented, now and then how far a long cell is.</summary>
internal sealed class PlainRunView(TextWriter output) : IRunView
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(20);

    private readonly ProgressLine _progress = new();
    private TimeSpan _lastTold;
    private int _cells;
    private bool _isLineOpen;

    /// <inheritdoc />
    public Task ShowWhileAsync(RunState run, Func<Task> work)
    {
        _cells = run.Cells.Count;
        return work();
    }

    /// <inheritdoc />
    public void CellStarted(CellState cell)
    {
        _lastTold = TimeSpan.Zero;
        _progress.Clear();
        output.WriteLine($"[{cell.Number,2}/{_cells}] {cell.Name}");
        output.Flush();
    }

    /// <inheritdoc />
    public void Happened(KernelEvent happened)
    {
        foreach (var news in _progress.Read(happened))
        {
            WriteOwnLine($"        {news}");
        }

        if (happened is KernelEvent.StreamText text)
        {
            foreach (var line in AnsiText.Strip(text.Text.Replace("\r", "", StringComparison.Ordinal)).Split('\n').SkipLast(1))
            {
                output.WriteLine((_isLineOpen ? "" : "        | ") + line);
                _isLineOpen = false;
            }

            var rest = AnsiText.Strip(text.Text.Split('\n')[^1]);
            if (rest.Length > 0)
            {
                output.Write((_isLineOpen ? "" : "        | ") + rest);
                _isLineOpen = true;
            }
        }
    }

    /// <inheritdoc />
    public void Tick(CellState cell, TimeSpan elapsed)
    {
        if (elapsed - _lastTold > ProgressInterval)
        {
            _lastTold = elapsed;
            WriteOwnLine($"        … {NumberText.InWords(elapsed.TotalSeconds)}{(_progress.Text.Length > 0 ? $" · {_progress.Text}" : "")}");
        }
    }

    /// <inheritdoc />
    public void CellEnded(CellState cell) =>
        WriteOwnLine($"        {(cell.Status is RunStatus.Ok ? "ok" : cell.Status.ToString().ToUpperInvariant())}  {NumberText.InWords(cell.Seconds)}");

    /// <inheritdoc />
    public void Notice(string text) => WriteOwnLine($"        ! {text}");

    private void WriteOwnLine(string text)
    {
        if (_isLineOpen)
        {
            output.WriteLine();
            _isLineOpen = false;
        }

        output.WriteLine(text);
        output.Flush();
    }
}
