using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookRunner.Documents;

/// <summary>
/// The .dib format, by the rules of dotnet/interactive's parser: cells start at selector lines, there is no escape, empty cells vanish.
/// Lines that look like commands but select nothing stay in their cell; running such a cell fails (<see cref="Kernel.Directives"/>).
/// </summary>
internal static class DibDocument
{
    private const string HeaderSelector = "#!meta";
    private const int MostCells = 10_000;

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Reads a .dib text.</summary>
    /// <param name="text">The file's text; <c>\r\n</c> counts as <c>\n</c>.</param>
    /// <param name="name">The file's name for messages.</param>
    /// <exception cref="NotebookFormatException">A damaged header, or too many cells.</exception>
    public static Notebook Parse(string text, string name)
    {
        var lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n');
        var (header, firstLine) = ReadHeader(lines, name);
        var kernels = KernelNames.From(header, $"{name}, line 1");
        var cells = new List<NotebookCell>();
        var (kernel, start) = (kernels.Resolve(kernels.DefaultName), firstLine);
        for (var i = firstLine; i <= lines.Length; i++)
        {
            var next = i < lines.Length ? kernels.SelectedBy(lines[i]) : null;
            if (next is null && i < lines.Length)
            {
                continue;
            }

            AddUnlessEmpty(cells, kernel, lines, start, i);
            (kernel, start) = (next ?? kernel, i + 1);
            if (cells.Count > MostCells)
            {
                throw new NotebookFormatException($"{name}, line {i + 1}: more than {MostCells} cells; is this a notebook?");
            }
        }

        return new(header, cells);
    }

    /// <summary>Writes the text that <see cref="Parse"/> reads back as the same notebook.</summary>
    /// <exception cref="NotebookFormatException">A cell holds a line that would start another cell: the format has no escape for it.</exception>
    public static string Write(Notebook notebook)
    {
        var kernels = KernelNames.From(notebook.Header, "header");
        List<string> lines = [HeaderSelector, "", notebook.Header.ToJsonString(Readable), ""];
        foreach (var cell in notebook.Cells)
        {
            var content = cell.Source.Split('\n');
            if (content.FirstOrDefault(line => kernels.SelectedBy(line) is not null) is { } selector)
            {
                throw new NotebookFormatException($"A {cell.Kernel} cell holds the line '{selector}', which starts a new cell in a .dib; indent it or reword it.");
            }

            lines.AddRange([$"#!{cell.Kernel}", "", .. content, ""]);
        }

        return string.Join('\n', lines);
    }

    private static (JsonObject Header, int NextLine) ReadHeader(string[] lines, string name)
    {
        var start = Array.FindIndex(lines, line => line.Length > 0);
        if (start < 0 || lines[start] != HeaderSelector)
        {
            return ([], 0);
        }

        var end = Array.FindIndex(lines, start + 1, line => line.StartsWith("#!", StringComparison.Ordinal));
        end = end < 0 ? lines.Length : end;
        try
        {
            var json = JsonNode.Parse(string.Join('\n', lines[(start + 1)..end]), documentOptions: new() { MaxDepth = 32 });
            return (json as JsonObject ?? throw new JsonException("it is not an object"), end);
        }
        catch (JsonException error)
        {
            var line = start + 2 + (int)(error.LineNumber ?? 0);
            throw new NotebookFormatException($"{name}, line {line}: the JSON after {HeaderSelector} is damaged: {error.Message}", error);
        }
    }

    private static void AddUnlessEmpty(List<NotebookCell> cells, string kernel, string[] lines, int start, int end)
    {
        while (start < end && lines[start].Length == 0)
        {
            start++;
        }

        while (end > start && lines[end - 1].Length == 0)
        {
            end--;
        }

        if (start < end)
        {
            cells.Add(new(kernel, string.Join('\n', lines[start..end]), start + 1));
        }
    }
}
