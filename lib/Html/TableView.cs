using System.Text;

namespace NotebookLib.Html;

/// <summary>A column of a <see cref="TableView"/>.</summary>
/// <param name="Header">Name, with unit where there is one.</param>
/// <param name="IsNumber">Aligned to the right.</param>
internal readonly record struct Column(string Header, bool IsNumber = false);

/// <summary>What a cell or a row is marked as; never by colour alone, the text says it too.</summary>
internal enum Mark
{
    /// <summary>Nothing special.</summary>
    None,

    /// <summary>A sum or an average, set off from the rows above.</summary>
    Total,

    /// <summary>The best of its kind.</summary>
    Best,

    /// <summary>Better than what it is compared with.</summary>
    Good,

    /// <summary>Worse than what it is compared with.</summary>
    Bad,

    /// <summary>Of little weight: missing, or not comparable.</summary>
    Dim,
}

/// <summary>A cell of a <see cref="TableView"/>.</summary>
/// <param name="Text">What it says; escaped when it is shown.</param>
/// <param name="Mark">What it is marked as.</param>
/// <param name="Bar">A bar before the text, 0 to 1 of its full length, or null.</param>
/// <param name="IsCode">In a typewriter's letters: names of files, pieces, parameters.</param>
internal readonly record struct Cell(string Text, Mark Mark = Mark.None, double? Bar = null, bool IsCode = false)
{
    /// <summary>A cell of plain text.</summary>
    public static implicit operator Cell(string text) => new(text);
}

/// <summary>A row of a <see cref="TableView"/>.</summary>
/// <param name="Cells">One cell for each column.</param>
/// <param name="Mark">What the whole row is marked as.</param>
internal sealed record Row(IReadOnlyList<Cell> Cells, Mark Mark = Mark.None);

/// <summary>A table with a title, as HTML and as aligned text.</summary>
public sealed class TableView : HtmlView
{
    /// <summary>Makes a table.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="rows">Its rows, each with one cell for each column.</param>
    /// <param name="subtitle">Units, and how to read it.</param>
    /// <param name="note">A line below it.</param>
    /// <exception cref="ArgumentException">A row has another number of cells than there are columns.</exception>
    internal TableView(string title, IReadOnlyList<Column> columns, IReadOnlyList<Row> rows, string subtitle = "", string note = "")
    {
        if (rows.Index().FirstOrDefault(row => row.Item.Cells.Count != columns.Count) is { Item: { } wrong, Index: var index })
        {
            throw new ArgumentException($"Table '{title}', row {index}: expected {columns.Count} cells, one for each column, found {wrong.Cells.Count}.",
                nameof(rows));
        }

        (Title, Columns, Rows, Subtitle, Note) = (title, columns, rows, subtitle, note);
    }

    /// <summary>What it shows.</summary>
    public string Title { get; }

    /// <summary>Units, and how to read it.</summary>
    public string Subtitle { get; }

    /// <summary>A line below it.</summary>
    public string Note { get; }

    /// <summary>Its columns.</summary>
    internal IReadOnlyList<Column> Columns { get; }

    /// <summary>Its rows.</summary>
    internal IReadOnlyList<Row> Rows { get; }

    /// <inheritdoc />
    public override string ToHtml() => Markup.Fragment("nl-table", Body());

    /// <inheritdoc />
    public override string ToText()
    {
        var lines = new List<string> { Title };
        lines.AddRange(((string[])[Subtitle]).Where(line => line.Length > 0));
        lines.AddRange(TextTable.Lines(Columns, Rows));
        lines.AddRange(((string[])[Note]).Where(line => line.Length > 0));
        return string.Join('\n', lines);
    }

    /// <summary>The HTML without style and wrapper, to stand inside another view.</summary>
    internal string Body()
    {
        var html = new StringBuilder(Markup.Heading(Title, Subtitle)).Append("<table><thead><tr>");
        foreach (var column in Columns)
        {
            html.Append(column.IsNumber ? "<th class=\"nl-r\">" : "<th>").Append(Markup.Escape(column.Header)).Append("</th>");
        }

        html.Append("</tr></thead><tbody>");
        foreach (var row in Rows)
        {
            html.Append(row.Mark is Mark.None ? "<tr>" : $"<tr class=\"{ClassOf(row.Mark)}\">");
            for (var i = 0; i < Columns.Count; i++)
            {
                AppendCell(html, row.Cells[i], Columns[i]);
            }

            html.Append("</tr>");
        }

        html.Append(Rows.Count == 0 ? $"<tr><td class=\"nl-dim\" colspan=\"{Columns.Count}\">nothing to show</td></tr>" : "").Append("</tbody></table>");
        return html.Append(Note.Length == 0 ? "" : $"<div class=\"nl-note\">{Markup.Escape(Note)}</div>").ToString();
    }

    private static void AppendCell(StringBuilder html, Cell cell, Column column)
    {
        var classes = string.Join(' ', ((string[])[column.IsNumber ? "nl-r" : "", cell.IsCode ? "nl-code" : ""]).Where(name => name.Length > 0));
        html.Append(classes.Length == 0 ? "<td>" : $"<td class=\"{classes}\">");
        if (cell.Bar is { } bar)
        {
            html.Append($"<span class=\"nl-track\"><span class=\"nl-bar\" style=\"width:{Markup.Number(Math.Clamp(bar, 0, 1) * 100)}%\"></span></span>");
        }

        var text = Markup.Escape(cell.Text);
        html.Append(cell.Mark is Mark.None ? text : $"<span class=\"{ClassOf(cell.Mark)}\">{text}</span>").Append("</td>");
    }

#pragma warning disable CA1308 // Class names are lower case.
    private static string ClassOf(Mark mark) => "nl-" + mark.ToString().ToLowerInvariant();
#pragma warning restore CA1308
}
