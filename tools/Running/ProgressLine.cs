using NotebookRunner.Kernel;
using NotebookRunner.Pages;

namespace NotebookRunner.Running;

/// <summary>The cell's own progress: the last line of plain text of what it updates in place.</summary>
internal sealed class ProgressLine
{
    /// <summary>The line; empty while there is none.</summary>
    public string Text { get; private set; } = "";

    /// <summary>Forgets the line of the cell before.</summary>
    public void Clear() => Text = "";

    /// <summary>Looks for a new line in an event.</summary>
    public void Read(KernelEvent happened)
    {
        if (happened is KernelEvent.Updated updated && updated.Data.TryGetValue("text/plain", out var plain))
        {
            Text = AnsiText.Strip(plain.Split('\n').LastOrDefault(line => line.Trim().Length > 0) ?? "").Trim();
        }
    }
}
