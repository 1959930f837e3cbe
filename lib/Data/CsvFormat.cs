using System.Text;
using CsvHelper;

namespace NotebookLib.Data;

/// <summary>
/// Separated values with a header: a word a row with its sentence, or a sentence a row with lists of words and tags. The separator is told by the header.
/// </summary>
internal static class CsvFormat
{
    /// <summary>The records of a file as a table.</summary>
    /// <param name="open">Opens the file as UTF-8.</param>
    /// <param name="options">Limits.</param>
    /// <param name="separator">What stands between the cells.</param>
    public static Table Table(Func<Stream> open, ReaderOptions options, out char separator)
    {
        var chosen = separator = Separator(open);
        var header = Records(open, options, chosen).FirstOrDefault(row => row.Cells.Length > 0 || row.Problem is not null);
        var isHeader = header.Cells is { Length: > 0 }
            && FieldNames.First([.. FieldNames.Tags, .. FieldNames.Words, .. NamesOf(options)], header.Cells) is not null;
        return new(() => Records(open, options, chosen).Where(row => !isHeader || row.Line != header.Line), isHeader ? header.Cells : null, HasComments: false);
    }

    private static string[] NamesOf(ReaderOptions options) => options.NamedFields is { } fields ? [fields.Words, fields.Tags] : [];

    private static char Separator(Func<Stream> open)
    {
        using var reader = new StreamReader(open(), Encoding.UTF8);
        var head = new char[4096];
        var line = head.AsSpan(0, reader.ReadBlock(head));
        line = line.IndexOfAny('\r', '\n') is >= 0 and var end ? line[..end] : line;
        var (best, most) = (',', 0);
        foreach (var candidate in (ReadOnlySpan<char>)[',', ';', '\t', '|'])
        {
            if (line.Count(candidate) > most)
            {
                (best, most) = (candidate, line.Count(candidate));
            }
        }

        return best;
    }

    private static IEnumerable<TableRow> Records(Func<Stream> open, ReaderOptions options, char separator)
    {
        var settings = new CsvReaderOptions
        {
            Separator = separator,
            HasHeader = false,
            SkipEmptyLines = false,
            MalformedData = CsvMalformedDataHandling.Throw,
            MaxRecordSize = options.MaxLineBytes,
            TrackLineNumbers = true,
            Encoding = Encoding.UTF8,
        };
        using var csv = CsvReader.Create(open(), settings, leaveOpen: false);
        var cache = new WordPool();
        while (true)
        {
            string? problem = null;
            long line = 0;
            try
            {
                if (!csv.Read())
                {
                    yield break;
                }
            }
            catch (CsvFormatException error)
            {
                (problem, line) = ($"cannot be read as separated values: {error.Message.Trim().TrimEnd('.')}. Is a quote left open, or not doubled?",
                    error.LineNumber);
            }
            catch (InvalidDataException error)
            {
                problem = RawRow.Damage(error);
            }

            yield return problem is null ? Row(csv, cache) : new(line, [], problem) { EndsTable = true };
            if (problem is not null)
            {
                yield break;
            }
        }
    }

    private static TableRow Row(CsvReader csv, WordPool cache)
    {
        var cells = new string[csv.FieldCount];
        for (var i = 0; i < cells.Length; i++)
        {
            cells[i] = cache.Get(csv.GetString(i));
            if (cells[i].Contains('\uFFFD', StringComparison.Ordinal) && csv.GetRawSpan(i).IndexOf("\uFFFD"u8) < 0)
            {
                return new(csv.LineNumber, [], "the line is not valid UTF-8; if the file is of another encoding (Windows-1252, Latin-1), save it as UTF-8.");
            }
        }

        return new(csv.LineNumber, Array.TrueForAll(cells, string.IsNullOrWhiteSpace) ? [] : cells, null);
    }
}
