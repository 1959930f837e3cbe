using System.Text;

namespace NotebookLib.Bench.Reports;

/// <summary>A table of the report.</summary>
/// <param name="Columns">Heads; the first column is text, the others are numbers.</param>
/// <param name="Rows">One text per column.</param>
internal sealed record Table(IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows)
{
    /// <summary>Markdown, columns padded so that it also reads well on a terminal.</summary>
    public string ToMarkdown()
    {
        var widths = Columns.Select((head, column) => Rows.Select(row => row[column].Length).Append(head.Length).Max()).ToArray();
        var text = new StringBuilder();
        text.Append(Line(Columns, widths))
            .Append(string.Concat(widths.Select((width, i) => i == 0 ? $"|{new string('-', width + 2)}" : $"|{new string('-', width + 1)}:"))).Append("|\n");
        foreach (var row in Rows)
        {
            text.Append(Line(row, widths));
        }

        return text.ToString();
    }

    private static string Line(IReadOnlyList<string> cells, int[] widths) =>
        string.Concat(cells.Select((cell, i) => i == 0 ? $"| {cell.PadRight(widths[i])} " : $"| {cell.PadLeft(widths[i])} ")) + "|\n";
}
