namespace NotebookLib.Html;

/// <summary>Lays a table out in columns of letters, for consoles.</summary>
internal static class TextTable
{
    private const int WidestColumn = 60;

    /// <summary>Header, rule and rows, each a line.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<Column> columns, IReadOnlyList<Row> rows)
    {
        var widths = columns.Select((column, i) =>
            Math.Min(WidestColumn, rows.Select(row => LengthOf(row.Cells[i].Text)).Append(LengthOf(column.Header)).Max())).ToArray();
        yield return Line(columns, widths, [.. columns.Select(column => column.Header)]);
        yield return string.Join("  ", widths.Select(width => new string('-', width)));
        foreach (var row in rows)
        {
            yield return Line(columns, widths, [.. row.Cells.Select(cell => cell.Text)]) + (row.Mark is Mark.Best ? "  *" : "");
        }

        if (rows.Count == 0)
        {
            yield return "(nothing to show)";
        }
    }

    private static string Line(IReadOnlyList<Column> columns, int[] widths, string[] texts) =>
        string.Join("  ", texts.Select((text, i) => Padded(Shortened(text), widths[i], columns[i].IsNumber))).TrimEnd();

    private static string Padded(string text, int width, bool isRight)
    {
        var blanks = new string(' ', Math.Max(0, width - LengthOf(text)));
        return isRight ? blanks + text : text + blanks;
    }

    private static string Shortened(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        return LengthOf(line) <= WidestColumn ? line : string.Concat(line.EnumerateRunes().Take(WidestColumn - 1)) + "…";
    }

    private static int LengthOf(string text) => text.EnumerateRunes().Count();
}
