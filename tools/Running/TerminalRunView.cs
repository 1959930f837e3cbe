using NotebookLib.Platform;
using NotebookRunner.Kernel;
using NotebookRunner.Pages;
using Spectre.Console;

namespace NotebookRunner.Running;

/// <summary>Progress in a terminal: finished cells scroll by, below them a bar, the running cell with its time, and the cell's own progress.</summary>
internal sealed class TerminalRunView(IAnsiConsole console) : IRunView
{
    private const int BarWidth = 24;

    private readonly ProgressLine _progress = new();
    private readonly System.Text.StringBuilder _openLine = new();
    private StatusContext? _status;
    private RunState? _run;

    /// <inheritdoc />
    public Task ShowWhileAsync(RunState run, Func<Task> work)
    {
        _run = run;
        return console.Status().Spinner(Spinner.Known.Dots).StartAsync("starting the kernel", async context =>
        {
            _status = context;
            await work();
        });
    }

    /// <inheritdoc />
    public void CellStarted(CellState cell)
    {
        _progress.Clear();
        ShowStatus(cell, TimeSpan.Zero);
    }

    /// <inheritdoc />
    public void Happened(KernelEvent happened)
    {
        foreach (var news in _progress.Read(happened))
        {
            console.MarkupLine($"[grey]   [/]{Markup.Escape(news)}");
        }

        if (happened is KernelEvent.StreamText text)
        {
            _openLine.Append(AnsiText.Strip(text.Text.Replace("\r\n", "\n", StringComparison.Ordinal)));
            var lines = _openLine.ToString().Split('\n');
            _openLine.Clear().Append(lines[^1]);
            foreach (var line in lines[..^1])
            {
                console.MarkupLine($"[grey]   │ {Markup.Escape(line)}[/]");
            }
        }
    }

    /// <inheritdoc />
    public void Tick(CellState cell, TimeSpan elapsed) => ShowStatus(cell, elapsed);

    /// <inheritdoc />
    public void CellEnded(CellState cell)
    {
        if (_openLine.Length > 0)
        {
            console.MarkupLine($"[grey]   │ {Markup.Escape(_openLine.ToString())}[/]");
            _openLine.Clear();
        }

        var mark = cell.Status is RunStatus.Ok ? "[green]✓[/]" : cell.Status is RunStatus.Interrupted ? "[yellow]■[/]" : "[red]✗[/]";
        console.MarkupLine($"{mark} {cell.Number,2} {Markup.Escape(cell.Name)} [grey]{NumberText.InWords(cell.Seconds)}[/]");
    }

    /// <inheritdoc />
    public void Notice(string text) => console.MarkupLine($"[yellow]! {Markup.Escape(text)}[/]");

    private void ShowStatus(CellState cell, TimeSpan elapsed)
    {
        var code = _run!.CodeCells;
        var done = code.Count(other => other.Status is RunStatus.Ok);
        var filled = code.Count == 0 ? 0 : BarWidth * done / code.Count;
        var own = _progress.Text.Length > 0 ? $" [grey]·[/] {Markup.Escape(_progress.Text)}" : "";
        _status?.Status($"[green]{new string('━', filled)}[/][grey]{new string('━', BarWidth - filled)}[/] {done}/{code.Count} "
            + $"[bold]{Markup.Escape(cell.Name)}[/] [grey]{NumberText.InWords(elapsed.TotalSeconds)}[/]{own}");
    }
}
