namespace NotebookLib.Data;

/// <summary>Sentences out of a table that has a sentence a row, its words and tags as lists in two cells.</summary>
internal static class ListRows
{
    // Enough to see how a table is laid out.
    private const int LookedAtRows = 50;

    /// <summary>The two columns, where cells hold lists.</summary>
    /// <param name="table">The table; it has a header.</param>
    /// <param name="options">Columns that are given.</param>
    /// <returns>Null where a row is a word, or columns have no known names.</returns>
    public static (int Words, int Tags)? Find(Table table, ReaderOptions options)
    {
        var header = table.Header?.ToList();
        var tags = header is null ? null : options.NamedFields?.Tags ?? FieldNames.First(FieldNames.Tags, header);
        var words = header is null || tags is null
            ? null : options.NamedFields?.Words ?? FieldNames.First(FieldNames.Words, header.Where(name => !FieldNames.Same(name, tags)));
        if (words is null)
        {
            return null;
        }

        var (wordColumn, tagColumn) = (header!.FindIndex(name => FieldNames.Same(name, words)), header.FindIndex(name => FieldNames.Same(name, tags!)));
        var rows = table.Rows().Where(row => row.Problem is null && row.Cells.Length > Math.Max(wordColumn, tagColumn)).Take(LookedAtRows).ToList();
        return wordColumn >= 0 && tagColumn >= 0
            && rows.Exists(row => (IsList(row.Cells[tagColumn]) || row.Cells[tagColumn].Contains(',', StringComparison.Ordinal))
            && IsList(row.Cells[wordColumn])) ? (wordColumn, tagColumn) : null;

        static bool IsList(string cell) => ListText.LooksLikeList(cell) || cell.Trim().Any(char.IsWhiteSpace);
    }

    public static IEnumerable<RawRow> Read(Table table, (int Words, int Tags) columns, ReaderOptions options)
    {
        foreach (var row in table.Rows())
        {
            if (row.Problem is not null || row.Cells.Length > 0)
            {
                yield return Parse(row, columns, options);
            }
        }
    }

    private static RawRow Parse(TableRow row, (int Words, int Tags) columns, ReaderOptions options)
    {
        if (row.Problem is not null || row.Cells.Length <= Math.Max(columns.Words, columns.Tags))
        {
            return RawRow.Wrong(row.Line,
                row.Problem ?? $"{row.Cells.Length} columns; expected a list of words in column {columns.Words} and one of tags in column {columns.Tags}.");
        }

        try
        {
            return RawRow.Of(row.Line, ListText.Parse(row.Cells[columns.Words]), Tags(row.Cells[columns.Tags]), null, options.MaxWordsPerSentence);
        }
        catch (FormatException error)
        {
            return RawRow.Wrong(row.Line, error.Message + ".");
        }
    }

    // A sentence with blanks between its words often stands beside O,O,B-PER, in which no tag has a comma.
    private static string[] Tags(string cell) =>
        ListText.LooksLikeList(cell) || cell.Trim().Any(char.IsWhiteSpace) ? ListText.Parse(cell) : cell.Trim().Split(',', StringSplitOptions.TrimEntries);
}
