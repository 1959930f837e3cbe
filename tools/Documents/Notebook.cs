using System.Text.Json.Nodes;

namespace NotebookRunner.Documents;

/// <summary>A cell as it stands in the file.</summary>
/// <param name="Kernel">The kernel's name, aliases resolved: <c>csharp</c>, <c>markdown</c>, or another one that the header names.</param>
/// <param name="Source">The text without leading and trailing empty lines, lines separated by <c>\n</c>.</param>
/// <param name="Line">The line of the file (from 1) on which <paramref name="Source"/> begins; 0 where files have no meaningful lines (.ipynb).</param>
internal sealed record NotebookCell(string Kernel, string Source, int Line)
{
    public bool IsMarkdown => Kernel == KernelNames.Markdown;

    public bool IsCSharp => Kernel == KernelNames.CSharp;
}

/// <summary>A notebook without outputs: the header's JSON, kept whole, and the cells.</summary>
/// <param name="Header">The JSON after <c>#!meta</c>; an empty object when the file has none.</param>
/// <param name="Cells">The cells in order; none is empty.</param>
internal sealed record Notebook(JsonObject Header, IReadOnlyList<NotebookCell> Cells)
{
    /// <summary>The header of a new notebook: the two kernels that the notebooks of this project use.</summary>
    public static JsonObject NewHeader() => JsonNode.Parse("""
        {"kernelInfo":{"defaultKernelName":"csharp","items":[{"name":"csharp","languageName":"C#","aliases":["C#","c#"]},{"name":"markdown","languageName":"Markdown"}]}}
        """)!.AsObject();
}

/// <summary>A file that cannot be read as a notebook: says where and what was expected.</summary>
internal sealed class NotebookFormatException(string message, Exception? inner = null) : Exception(message, inner);
