using NotebookLib.Platform;
using NotebookRunner.Kernel;
using NotebookRunner.Pages;

namespace NotebookRunner.Running;

/// <summary>The cell's own progress: the last line of plain text of what it updates in place, and the lines of it that are marked as news.</summary>
internal sealed class ProgressLine
{
    /// <summary>The line; empty while there is none.</summary>
    public string Text { get; private set; } = "";


    private readonly HashSet<string> _told = new(StringComparer.Ordinal);

    /// <summary>Forgets the lines of the cell before.</summary>
    public void Clear()
    {
        Text = "";
        _told.Clear();
    }

    /// <summary>Looks for new lines in an event.</summary>
    /// <returns>Lines that are worth one of their own, each once: an evaluation's scores.</returns>
    public IReadOnlyList<string> Read(KernelEvent happened)
    {
        if (happened is KernelEvent.Displayed shown && shown.Data.TryGetValue("text/plain", out var first))
        {
            return News(first);
        }

        if (happened is KernelEvent.Updated updated && updated.Data.TryGetValue("text/plain", out var plain))
        {
            Text = AnsiText.Strip(plain.Split('\n').LastOrDefault(line => line.Trim().Length > 0) ?? "").Trim();
            return News(plain);
        }

        return [];
    }

    private List<string> News(string plain) => !plain.Contains(HostContract.NewsMark, StringComparison.Ordinal) ? []
        : [.. plain.Split('\n').Where(line => line.StartsWith(HostContract.NewsMark, StringComparison.Ordinal))
            .Select(line => AnsiText.Strip(line[HostContract.NewsMark.Length..]).Trim()).Where(_told.Add)];
}
