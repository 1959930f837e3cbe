using System.Text;

namespace NotebookLib.Data;

/// <summary>
/// CoNLL, CoNLL-U and their kin as a table: a word a line, columns separated by tabs where the line has one, else by blanks, a blank line between sentences.
/// </summary>
internal static class ConllFormat
{
    /// <summary>The lines of a file as a table.</summary>
    /// <param name="open">Opens the file.</param>
    public static Table Table(Func<LineReader> open)
    {
        var header = Header(open);
        return new(() => Lines(open, skipsFirst: header is not null), header, HasComments: true);
    }

    /// <summary>
    /// Whether the file is rather a table with tabs between its cells and quotes around those that need them, as pandas, R and DuckDB write it: it has a
    /// header, and each quote in it stands as in such a table, one of them within a cell at least, or around the header's names.
    /// </summary>
    /// <param name="open">Opens the file.</param>
    public static bool IsQuoted(Func<LineReader> open)
    {
        if (Lines(open, skipsFirst: false).FirstOrDefault() is not { Problem: null, Cells.Length: > 1 } first
            || !IsHeader([.. first.Cells.Select(cell => cell.Trim('"'))]))
        {
            return false;
        }

        var isCertain = Array.TrueForAll(first.Cells, cell => cell is ['"', .., '"']);
        foreach (var cell in Lines(open, skipsFirst: false).SelectMany(row => row.Cells).Where(cell => cell.Contains('"', StringComparison.Ordinal)))
        {
            if (cell is not ['"', .. var inner, '"'] || inner.Replace("\"\"", "", StringComparison.Ordinal).Contains('"', StringComparison.Ordinal))
            {
                return false;
            }

            // A word with quotes around may stand in any file; one within it is doubled in tables alone.
            isCertain |= inner.Length > 0 && inner.Contains('"', StringComparison.Ordinal);
        }

        return isCertain;
    }

    // Some people name their columns in the first line, and CoNLL-U Plus does so in a comment, in the columns' order all the same.
    private static string[]? Header(Func<LineReader> open)
    {
        var first = Lines(open, skipsFirst: false).FirstOrDefault();
        return first is { Problem: null, Cells.Length: > 1 } && IsHeader(first.Cells) ? first.Cells : null;
    }

    private static bool IsHeader(string[] cells) =>
        FieldNames.First(FieldNames.Tags, cells) is { } tag && FieldNames.First(FieldNames.Words, cells.Where(cell => cell != tag)) is not null;

    private static IEnumerable<TableRow> Lines(Func<LineReader> open, bool skipsFirst)
    {
        using var lines = open();
        var (cache, isSkipping) = (new WordPool(), skipsFirst);
        while (TryRead(lines, out var damage))
        {
            if (damage is not null)
            {
                yield return new(lines.Line, [], damage);
                yield break;
            }

            var row = Row(lines, cache);
            if (isSkipping && row.Cells.Length > 0)
            {
                isSkipping = false;
                continue;
            }

            yield return row;
        }
    }

    private static bool TryRead(LineReader lines, out string? damage)
    {
        try
        {
            damage = null;
            return lines.Read();
        }
        catch (InvalidDataException error)
        {
            damage = RawRow.Damage(error);
            return true;
        }
    }

    private static TableRow Row(LineReader lines, WordPool cache)
    {
        if (lines.IsTooLong)
        {
            return new(lines.Line, [], lines.TooLong);
        }

        try
        {
            return new(lines.Line, Split(lines.Text(), cache), null);
        }
        catch (DecoderFallbackException)
        {
            return new(lines.Line, [], "the line is not valid UTF-8; if the file is of another encoding (Windows-1252, Latin-1), save it as UTF-8.");
        }
    }

    private static string[] Split(ReadOnlySpan<char> line, WordPool cache)
    {
        var separator = line.Contains('\t') ? '\t' : ' ';
        var cells = new List<string>(8);
        var isBlank = true;
        foreach (var range in line.Split(separator))
        {
            var cell = line[range];
            isBlank &= cell.IsEmpty || (separator == '\t' && cell.IndexOfAnyExcept(' ') < 0);
            if (separator == '\t' || !cell.IsEmpty)
            {
                cells.Add(cache.Get(cell));
            }
        }

        return isBlank ? [] : [.. cells];
    }
}
