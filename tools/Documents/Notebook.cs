using Microsoft.DotNet.Interactive.Documents;
using NotebookRunner.Kernel;

namespace NotebookRunner.Documents;

/// <summary>A cell as it stands in the file.</summary>
/// <param name="Kernel">The kernel's name, aliases resolved: <c>csharp</c>, <c>markdown</c>, <c>html</c>, …</param>
/// <param name="Source">The text without leading and trailing empty lines, lines separated by <c>\n</c>.</param>
/// <param name="Line">The line of the file (from 1) on which <paramref name="Source"/> begins; 0 where files have no meaningful lines (.ipynb).</param>
internal sealed record NotebookCell(string Kernel, string Source, int Line)
{
    public bool IsMarkdown => Kernel == KernelNames.Markdown;

    public bool IsCSharp => Kernel == KernelNames.CSharp;
}

/// <summary>A notebook without outputs.</summary>
/// <param name="Metadata">What the file says about itself, kept whole: the JSON after <c>#!meta</c>, or an .ipynb's metadata.</param>
/// <param name="Cells">The cells in order; none is of white space alone.</param>
internal sealed record Notebook(IDictionary<string, object> Metadata, IReadOnlyList<NotebookCell> Cells)
{
    private const string KernelInfoKey = "kernelInfo";

    /// <summary>The text of a .dib that <see cref="NotebookFile.Parse"/> reads back as the same cells.</summary>
    /// <exception cref="NotebookFormatException">A cell holds a line that would start another cell: the format has no escape for it.</exception>
    public string ToDib()
    {
        var document = new InteractiveDocument([.. Cells.Select(cell => new InteractiveDocumentElement(cell.Source, cell.Kernel))]);
        document.Metadata[KernelInfoKey] = Metadata.TryGetValue(KernelInfoKey, out var known) ? known : KernelNames.InHeader(Cells.Select(cell => cell.Kernel));
        foreach (var (key, value) in Metadata.Where(_ => Metadata.ContainsKey(KernelInfoKey)))
        {
            document.Metadata[key] = value;
        }

        var text = document.ToCodeSubmissionContent();
        var again = NotebookFile.Parse(text, "the .dib").Cells;
        var split = Enumerable.Range(0, Cells.Count).FirstOrDefault(i => i >= again.Count || Cells[i].Source != again[i].Source, -1);
        return split < 0
            ? text
            : throw new NotebookFormatException($"Cell {split + 1} ({Cells[split].Kernel}) holds a line that starts a new cell in a .dib, "
                + $"like '#!{KernelNames.CSharp}'; indent it or reword it.");
    }
}

/// <summary>A file that cannot be read as a notebook, or has in it what cannot be run: says where, and what was expected.</summary>
internal sealed class NotebookFormatException(string message, Exception? inner = null) : Exception(message, inner);
