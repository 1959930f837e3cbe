using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Platform;

/// <summary>A C# cell of a notebook's file, with the heading above it (empty without one).</summary>
internal sealed record NeighbourCell(string Heading, string Code);

/// <summary>
/// The C# cells of the notebooks in the working folder. An editor's kernel is sent the cells that are run and no others; what stands in a cell that was never
/// run is told by the file alone.
/// </summary>
internal static class NeighbourCells
{
    private const int MostFiles = 100;
    private const int MostBytes = 8 << 20;

    // Lines that begin a cell of a .dib; others that begin with #! are magic commands inside one.
    private static readonly string[] CodeSelectors = ["#!csharp", "#!c#", "#!C#", "#!cs"];
    private static readonly string[] ProseSelectors = ["#!markdown", "#!md"];
    private static readonly string[] OtherSelectors =
        ["#!meta", "#!fsharp", "#!f#", "#!F#", "#!fs", "#!html", "#!http", "#!javascript", "#!js", "#!mermaid", "#!pwsh", "#!powershell", "#!sql", "#!kql",
            "#!value"];

    /// <summary>The cells of each notebook (.dib, .ipynb) that can be read; one that cannot be is left out.</summary>
    /// <param name="folder">The notebooks' folder.</param>
    public static IReadOnlyList<IReadOnlyList<NeighbourCell>> Read(string folder)
    {
        var files = new DirectoryInfo(folder).EnumerateFiles().Where(file => file.Extension is ".dib" or ".ipynb" && file.Length <= MostBytes)
            .OrderBy(file => file.Name, StringComparer.Ordinal);
        var notebooks = new List<IReadOnlyList<NeighbourCell>>();
        foreach (var file in files.Take(MostFiles))
        {
            try
            {
                var text = File.ReadAllText(file.FullName).Replace("\r\n", "\n", StringComparison.Ordinal);
                notebooks.Add([.. UnderHeadings(file.Extension == ".dib" ? OfDib(text) : OfJupyter(text))]);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
            {
                // Not a notebook, or not ours to read.
            }
        }

        return notebooks;
    }

    private static IEnumerable<(bool IsProse, string Text)> OfDib(string text)
    {
        var (selector, lines) = (CodeSelectors[0], new List<string>());
        foreach (var line in text.Split('\n').Append(OtherSelectors[0]))
        {
            if (!CodeSelectors.Contains(line) && !ProseSelectors.Contains(line) && !OtherSelectors.Contains(line))
            {
                lines.Add(line);
                continue;
            }

            if (!OtherSelectors.Contains(selector))
            {
                yield return (ProseSelectors.Contains(selector), string.Join('\n', lines).Trim('\n'));
            }

            (selector, lines) = (line, []);
        }
    }

    private static IEnumerable<(bool IsProse, string Text)> OfJupyter(string text) =>
        from cell in StrictJson.ParseNode(text)?["cells"] as JsonArray ?? []
        where cell is not null
        let source = cell["source"] is JsonArray lines ? string.Concat(lines.Select(line => (string?)line)) : (string?)cell["source"]
        where source is not null
        select ((string?)cell["cell_type"] == "markdown", source);

    private static IEnumerable<NeighbourCell> UnderHeadings(IEnumerable<(bool IsProse, string Text)> cells)
    {
        var heading = "";
        foreach (var (isProse, text) in cells)
        {
            if (!isProse)
            {
                yield return new(heading, text);
            }
            else if (text.Split('\n').LastOrDefault(line => line.StartsWith('#')) is { } last)
            {
                heading = last.Trim('#', ' ');
            }
        }
    }
}
