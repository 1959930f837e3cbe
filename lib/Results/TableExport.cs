using System.Text;
using CsvHelper;
using NotebookLib.Charts;
using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Platform;

namespace NotebookLib.Results;

/// <summary>Writes a table in the forms that papers, pages and programs want.</summary>
public static class TableExport
{
    /// <summary>Saves a table as Markdown, LaTeX and HTML, typeset, and as CSV, for programs.</summary>
    /// <param name="table">The table.</param>
    /// <param name="folder">Where to; made when missing.</param>
    /// <param name="name">The files' name without ending.</param>
    /// <returns>The four paths.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static IReadOnlyList<string> SaveAll(TableView table, string folder, string name) => SaveAll(table, folder, name, ToCsv(table));

    /// <summary>Saves a table as Markdown, LaTeX and HTML, typeset, and the rows behind it as CSV, with all digits and columns.</summary>
    /// <param name="table">The table.</param>
    /// <param name="rows">What it was made of.</param>
    /// <param name="folder">Where to; made when missing.</param>
    /// <param name="name">The files' name without ending.</param>
    /// <returns>The four paths.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    internal static IReadOnlyList<string> SaveAll<T>(TableView table, IReadOnlyList<T> rows, string folder, string name)
        where T : notnull
    {
        using var stream = new MemoryStream();
        CsvLedger<T>.Write(stream, rows);
        return SaveAll(table, folder, name, Encoding.UTF8.GetString(stream.ToArray()));
    }

    private static string[] SaveAll(TableView table, string folder, string name, string csv)
    {
        ArgumentNullException.ThrowIfNull(table);
        var path = Path.Combine(Path.GetFullPath(folder), name);
        (string Ending, string Text)[] files =
            [(".md", ToMarkdown(table)), (".tex", ToLatex(table)), (".html", StandalonePage.Of(table.Title, table.ToHtml(), needsPlotly: false)),
                (".csv", csv)];
        foreach (var (ending, text) in files)
        {
            AtomicFile.WriteText(path + ending, text);
        }

        return [.. files.Select(file => path + file.Ending)];
    }

    /// <summary>Saves the table of all runs and the comparison with the published results.</summary>
    /// <param name="runs">All runs.</param>
    /// <param name="folder">Where to; null for <c>exports</c> beside the runs.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static TableView SaveRuns(RunTable runs, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(runs);
        folder ??= Path.Combine(runs.Folder, "exports");
        var rows = runs.Read();
        string[] files = [.. SaveAll(ResultTables.Runs(rows), rows, folder, "runs"),
            .. SaveAll(ResultTables.Comparison(rows), ResultTables.ComparisonRows(rows), folder, "comparison")];
        return new("Exported tables", [new("file"), new("format")], [.. files.Select(file => new Row([new(file, IsCode: true), Path.GetExtension(file) switch
        {
            ".md" => "Markdown",
            ".tex" => "LaTeX, booktabs",
            ".html" => "one page",
            _ => "CSV",
        }]))]);
    }

    /// <summary>The table as GitHub's Markdown writes it.</summary>
    public static string ToMarkdown(TableView table)
    {
        ArgumentNullException.ThrowIfNull(table);
        var text = new StringBuilder($"**{MarkdownText(table.Title)}**\n\n").Append(table.Subtitle.Length == 0 ? "" : MarkdownText(table.Subtitle) + "\n\n");
        AppendMarkdownRow(text, table.Columns.Select(column => column.Header));
        AppendMarkdownRow(text, table.Columns.Select(column => column.IsNumber ? "---:" : "---"), isEscaped: true);
        foreach (var row in table.Rows)
        {
            AppendMarkdownRow(text, row.Cells.Select(cell => cell.Text));
        }

        return text.Append(table.Note.Length == 0 ? "" : $"\n{MarkdownText(table.Note)}\n").ToString();
    }

    /// <summary>The table as LaTeX with booktabs rules.</summary>
    public static string ToLatex(TableView table)
    {
        ArgumentNullException.ThrowIfNull(table);
        var text = new StringBuilder("% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n");
        text.Append(
            $"\\caption{{{LatexText(table.Title)}}}\n"
                + $"\\begin{{tabular}}{{{string.Concat(table.Columns.Select(column => column.IsNumber ? 'r' : 'l'))}}}\n\\toprule\n");
        AppendLatexRow(text, table.Columns.Select(column => column.Header));
        text.Append("\\midrule\n");
        foreach (var row in table.Rows)
        {
            text.Append(row.Mark is Mark.Total ? "\\midrule\n" : "");
            AppendLatexRow(text, row.Cells.Select(cell => cell.Text));
        }

        return text.Append("\\bottomrule\n\\end{tabular}\n\\end{table}\n").ToString();
    }

    /// <summary>The table as CSV: header and cells, numbers as programs read them.</summary>
    public static string ToCsv(TableView table)
    {
        ArgumentNullException.ThrowIfNull(table);
        using var stream = new MemoryStream();
        using (var csv = CsvWriter.Create(stream, new CsvWriterOptions { NewLine = "\n", Separator = ',' }, leaveOpen: true))
        {
            csv.WriteRecord(table.Columns.Select(column => CsvText.Harmless(column.Header)).ToArray());
            foreach (var row in table.Rows)
            {
                csv.WriteRecord(row.Cells.Zip(table.Columns, (cell, column) => CsvText.Harmless(column.IsNumber ? CsvText.Plain(cell.Text) : cell.Text))
                    .ToArray());
            }
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static void AppendMarkdownRow(StringBuilder text, IEnumerable<string> cells, bool isEscaped = false) =>
        text.Append("| ").AppendJoin(" | ", isEscaped ? cells : cells.Select(MarkdownText)).Append(" |\n");

    private static void AppendLatexRow(StringBuilder text, IEnumerable<string> cells) => text.AppendJoin(" & ", cells.Select(LatexText)).Append(" \\\\\n");

    private static string MarkdownText(string text)
    {
        var escaped = new StringBuilder();
        foreach (var letter in text.ReplaceLineEndings(" "))
        {
            escaped.Append(letter is '\\' or '|' or '*' or '_' or '`' or '[' or ']' or '#' or '~' ? "\\" : "")
                .Append(letter switch { '<' => "&lt;", '&' => "&amp;", _ => letter.ToString() });
        }

        return escaped.ToString();
    }

    private static string LatexText(string text) => string.Concat(text.ReplaceLineEndings(" ").Select(letter => letter switch
    {
        '&' or '%' or '$' or '#' or '_' or '{' or '}' => "\\" + letter,
        '~' => "\\textasciitilde{}",
        '^' => "\\textasciicircum{}",
        '\\' => "\\textbackslash{}",
        '<' => "\\textless{}",
        '>' => "\\textgreater{}",
        '±' => "$\\pm$",
        '−' => "$-$",
        '·' => "$\\cdot$",
        '×' => "$\\times$",
        _ => letter.ToString(),
    }));
}
