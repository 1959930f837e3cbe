using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using NotebookLib.Data;
using NotebookLib.Platform;

namespace NotebookLib.Annotation;

/// <summary>Reads the texts of a file, one after another; one row (or one Parquet row group) is in memory at a time.</summary>
/// <param name="file">The file.</param>
/// <param name="field">Field or column of the text, by name; null looks for the usual ones.</param>
/// <param name="isDocument">Whether a text file is one running text, to be split into sentences.</param>
internal sealed class TextSource(InputFile file, string? field, bool isDocument)
{
    private const int LookedAtLines = 200;
    private const string NotUtf8 = "the line is not valid UTF-8; if the file is of another encoding (Windows-1252, Latin-1), save it as UTF-8.";

    private static readonly ReaderOptions Limits = new();

    private FileStream? _stream;
    private double _fraction;

    /// <summary>How much of the file has been read, 0 to 1.</summary>
    public double Fraction => _stream is { CanRead: true, Length: > 0 } stream ? Math.Min(1, stream.Position / (double)stream.Length) : _fraction;

    /// <summary>The texts. What ends the reading of a file, damage for instance, is one more row with a problem.</summary>
    public IEnumerable<TextRow> Rows()
    {
        using var rows = (file.Format switch
        {
            TextFormat.Json => Json(),
            TextFormat.Csv => Csv(),
            TextFormat.Conll => Conll(),
            TextFormat.Parquet => Parquet(),
            _ => isDocument ? Document() : Lines(),
        }).GetEnumerator();
        var line = 0L;
        while (true)
        {
            string? problem = null;
            try
            {
                if (!rows.MoveNext())
                {
                    yield break;
                }
            }
            catch (InvalidDataException damage)
            {
                problem = line == 0 ? damage.Message.TrimEnd('.') + "." : RawRow.Damage(damage);
            }
            catch (DataFormatException fault)
            {
                // Its message begins with the file's name.
                problem = fault.Faults is [var first, ..] ? first.Problem : fault.Message;
            }

            if (problem is not null)
            {
                yield return Wrong(line, problem) with { EndsFile = true };
                yield break;
            }

            line = rows.Current.Line;
            yield return rows.Current;
        }
    }

    private TextRow Right(long line, string text) => new(file.Name, line, text, null, null);

    private TextRow Right(long line, string[] words) => words.Length > Limits.MaxWordsPerSentence
        ? Wrong(line, $"{words.Length} words in one sentence; expected at most {Limits.MaxWordsPerSentence}. Are blank lines between sentences missing?")
        : new(file.Name, line, null, words, null);

    private TextRow Wrong(long line, string problem) => new(file.Name, line, null, null, problem);

    private Stream Open() => TextFile.Open(file.Path, out _, out _stream);

    private IEnumerable<TextRow> Lines()
    {
        using var lines = new LineReader(Open(), Limits.MaxLineBytes);
        while (lines.Read())
        {
            var text = TextOf(lines, out var problem);
            if (problem is not null || !string.IsNullOrWhiteSpace(text))
            {
                yield return problem is null ? Right(lines.Line, text) : Wrong(lines.Line, problem);
            }
        }
    }

    private IEnumerable<TextRow> Document()
    {
        using var lines = new LineReader(Open(), Limits.MaxLineBytes);
        var splitter = new SentenceSplitter();
        while (lines.Read())
        {
            var text = TextOf(lines, out var problem);
            if (problem is not null)
            {
                yield return Wrong(lines.Line, problem);
            }

            foreach (var sentence in splitter.Add(text, lines.Line))
            {
                yield return Right(sentence.Line, sentence.Text) with { Offset = sentence.Offset };
            }
        }

        foreach (var sentence in splitter.Finish())
        {
            yield return Right(sentence.Line, sentence.Text) with { Offset = sentence.Offset };
        }
    }

    private static string TextOf(LineReader lines, out string? problem)
    {
        problem = lines.IsTooLong ? $"the line is longer than {Limits.MaxLineBytes} bytes; break it, or write JSON lines." : null;
        try
        {
            return lines.Text();
        }
        catch (DecoderFallbackException)
        {
            problem = NotUtf8;
            return "";
        }
    }

    private IEnumerable<TextRow> Json()
    {
        var isLines = new[] { ".jsonl", ".ndjson" }.Any(ending => file.Name.Contains(ending, StringComparison.OrdinalIgnoreCase)) || !BeginsArray();
        return isLines ? JsonLines() : JsonEntries();
    }

    private bool BeginsArray()
    {
        // An array may be one line as long as the file; what stands before it is white space or a byte-order mark.
        using var stream = Open();
        int first;
        do
        {
            first = stream.ReadByte();
        }
        while (first is ' ' or '\t' or '\r' or '\n' or 0xEF or 0xBB or 0xBF);
        return first == '[';
    }

    private IEnumerable<TextRow> JsonLines()
    {
        using var lines = new LineReader(Open(), Limits.MaxLineBytes);
        while (lines.Read())
        {
            if (lines.IsTooLong)
            {
                yield return Wrong(lines.Line, $"the line is longer than {Limits.MaxLineBytes} bytes.");
            }
            else if (lines.Current.Span.IndexOfAnyExcept(" \t"u8) >= 0)
            {
                yield return FromJson(lines.Line, lines.Current);
            }
        }
    }

    private TextRow FromJson(long line, ReadOnlyMemory<byte> json)
    {
        try
        {
            if (!Utf8.IsValid(json.Span))
            {
                return Wrong(line, NotUtf8);
            }

            using var document = StrictJson.Parse(json);
            return FromJson(line, document.RootElement);
        }
        catch (JsonException error)
        {
            return Wrong(line, error.BytePositionInLine is { } at ? Invariant($"broken JSON at byte {at}: is it JSON lines, one object a line?")
                : $"broken JSON: {error.Message.TrimEnd('.')}.");
        }
    }

    private IEnumerable<TextRow> JsonEntries()
    {
        using var stream = Open();
        var elements = new JsonElements(stream, Limits.MaxLineBytes);
        for (var index = 1L; ; index++)
        {
            TextRow row;
            try
            {
                using var document = elements.Next();
                if (document is null)
                {
                    yield break;
                }

                row = FromJson(index, document.RootElement);
            }
            catch (JsonException error)
            {
                row = Wrong(index, $"broken JSON: {error.Message.Split(". ")[0].TrimEnd('.')}.") with { EndsFile = true };
            }

            yield return row;
            if (row.EndsFile)
            {
                yield break;
            }
        }
    }

    private TextRow FromJson(long line, JsonElement row)
    {
        if (row.ValueKind == JsonValueKind.String && field is null)
        {
            return Right(line, row.GetString()!);
        }

        if (row.ValueKind != JsonValueKind.Object)
        {
            return Wrong(line, $"expected an object with a text, found {JsonRowParser.Named(row)}.");
        }

        var name = field ?? FieldNames.First(FieldNames.Text, Names(row, IsText)) ?? FieldNames.First(FieldNames.Words, Names(row, IsWords))
            ?? FieldNames.First(FieldNames.Text, Names(row, _ => true));
        if (name is null)
        {
            return Wrong(line, $"no field holds a text; found {FieldNames.Listed(Names(row, _ => true))}; expected text, or name the field.");
        }

        return !row.TryGetProperty(name, out var value) ? Wrong(line, $"missing field {name}; found {FieldNames.Listed(Names(row, _ => true))}.")
            : IsText(value) ? Right(line, value.GetString()!)
            : IsWords(value) ? Right(line, [.. value.EnumerateArray().Select(word => word.GetString()!)])
            : Wrong(line, $"{name}: expected a text or a list of words, found {JsonRowParser.Named(value)}.");

        static bool IsText(JsonElement value) => value.ValueKind == JsonValueKind.String;

        static bool IsWords(JsonElement value) =>
            value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(word => word.ValueKind == JsonValueKind.String);

        static IEnumerable<string> Names(JsonElement row, Func<JsonElement, bool> fits) =>
            row.EnumerateObject().Where(part => fits(part.Value)).Select(part => part.Name);
    }

    private IEnumerable<TextRow> Csv()
    {
        var options = field is null ? Limits : Limits with { Fields = $"{field},{field}" };
        var table = CsvFormat.Table(Open, options, out _);
        var header = table.Header?.ToList();
        var name = field ?? (header is null ? null : FieldNames.First(FieldNames.Text, header) ?? FieldNames.First(FieldNames.Words, header));
        var column = header is null || name is null ? -1 : header.FindIndex(candidate => FieldNames.Same(candidate, name));
        var holdsWords = name is not null && !FieldNames.Text.Contains(name, StringComparer.OrdinalIgnoreCase)
            && FieldNames.Words.Contains(name, StringComparer.OrdinalIgnoreCase);
        foreach (var row in table.Rows())
        {
            if (row.Problem is null && column < 0 && !(field is null && header is null && row.Cells.Length == 1))
            {
                yield return Wrong(0, row.Cells.Length == 0 && header is null ? "is empty." : field is null
                    ? $"no column is called text or the like; found {FieldNames.Listed(header ?? row.Cells.ToList())}; name the column."
                    : $"no column is called {field}; found {FieldNames.Listed(header ?? row.Cells.ToList())}.") with
                { EndsFile = true };
                yield break;
            }

            if (row.Problem is not null || row.Cells.Length > 0)
            {
                yield return FromCells(row, Math.Max(0, column), header?.Count ?? 1, holdsWords);
            }
        }
    }

    private TextRow FromCells(TableRow row, int column, int columns, bool holdsWords)
    {
        if (row.Problem is null && row.Cells.Skip(columns).Any(cell => cell.Length > 0))
        {
            // The text would end at its first comma.
            return Wrong(row.Line, $"{row.Cells.Length} columns; expected {columns}. A text with a separator in it stands in quotes; "
                + "a file of plain lines is called .txt, or read as text by name.");
        }

        if (row.Problem is not null || row.Cells.Length <= column)
        {
            return Wrong(row.Line, row.Problem ?? $"{row.Cells.Length} columns; expected the text in column {column + 1}.") with { EndsFile = row.EndsTable };
        }

        try
        {
            return holdsWords && ListText.LooksLikeList(row.Cells[column])
                ? Right(row.Line, ListText.Parse(row.Cells[column])) : Right(row.Line, row.Cells[column]);
        }
        catch (FormatException error)
        {
            return Wrong(row.Line, error.Message + ".");
        }
    }

    private IEnumerable<TextRow> Conll()
    {
        var table = ConllFormat.Table(() => new LineReader(Open(), Limits.MaxLineBytes));
        var first = table.Rows().Where(row => row.Problem is null && row.Cells.Length > 0 && !row.IsDocumentMark && !row.Cells[0].StartsWith('#'))
            .Take(LookedAtLines).ToList();
        var width = first.Count == 0 ? 1 : first.GroupBy(row => row.Cells.Length).MaxBy(group => group.Count())!.Key;
        var isNumbered = width > 1 && first.TrueForAll(row => row.Cells[0].All(char.IsAsciiDigit) || ColumnRoles.IsRangeOrEmptyNode(row.Cells[0]));
        var named = table.Header is { } header && (field ?? FieldNames.First(FieldNames.Words, header)) is { } name
            ? header.ToList().FindIndex(candidate => FieldNames.Same(candidate, name)) : -1;
        var column = named >= 0 ? named : isNumbered ? 1 : 0;
        var (words, begin, problem) = (new List<string>(), 0L, (string?)null);
        foreach (var row in table.Rows().Append(new TableRow(0, [], null)))
        {
            var isWord = row.Problem is null && row.Cells.Length > 0 && !row.IsDocumentMark;
            if (isWord && (IsComment(row.Cells) || (isNumbered && ColumnRoles.IsRangeOrEmptyNode(row.Cells[0]))))
            {
                continue;
            }

            problem ??= row.Problem ?? (isWord && row.Cells.Length <= column ? $"{row.Cells.Length} columns; expected the word in column {column + 1}." : null);
            if (problem is not null && begin >= 0)
            {
                yield return Wrong(row.Line, problem);
                // The rest of the sentence belongs to it.
                begin = -1;
            }

            if (isWord && problem is null && words.Count <= Limits.MaxWordsPerSentence)
            {
                begin = words.Count == 0 ? row.Line : begin;
                words.Add(row.Cells[column]);
            }

            if (row.Problem is null && !isWord)
            {
                if (words.Count > 0 && problem is null)
                {
                    yield return Right(begin, [.. words]);
                }

                words.Clear();
                (begin, problem) = (0, null);
            }
        }

        bool IsComment(string[] cells) => cells[0].StartsWith('#') && (ColumnRoles.IsNamedComment(cells) || cells.Length != width);
    }

    private IEnumerable<TextRow> Parquet()
    {
        using var parquet = ParquetFile.Open(file.Path);
        var texts = parquet.Columns.Where(column => column.Kind == ParquetKind.Text && column.MaxRepetition <= 1).ToList();
        var name = field ?? FieldNames.First(FieldNames.Text, texts.Where(column => column.MaxRepetition == 0).Select(column => column.Name))
            ?? FieldNames.First(FieldNames.Words, texts.Where(column => column.MaxRepetition == 1).Select(column => column.Name));
        var chosen = texts.Find(column => column.Name == name && (field is not null || column.MaxRepetition == 0)) ?? texts.Find(column => column.Name == name);
        if (chosen is null)
        {
            throw new InvalidDataException($"no column {(field is null ? "is called text or the like" : $"called {field} holds texts")}; "
                + $"found {FieldNames.Listed(parquet.Columns.Select(column => $"{column.Name} ({column.Description})"))}");
        }

        var (cache, number) = (new WordPool(), 0L);
        for (var group = 0; group < parquet.GroupCount; group++)
        {
            var values = Read(parquet, group, chosen, cache);
            for (var row = 0; row < values.Starts.Length - 1; row++)
            {
                var cells = values.Values[values.Starts[row]..values.Starts[row + 1]];
                yield return values.RowsWithNulls.Contains(row) || (chosen.MaxRepetition == 0 && cells.Length != 1)
                    ? Wrong(++number, $"column {chosen.Name} is null or holds a null.")
                    : chosen.MaxRepetition == 0 ? Right(++number, cells[0]) : Right(++number, cells);
            }

            _fraction = (group + 1.0) / parquet.GroupCount;
        }
    }

    private static ParquetValues Read(ParquetFile parquet, int group, ParquetColumn column, WordPool cache)
    {
        try
        {
            return parquet.Read(group, column, Limits.MaxWordsPerRowGroup, cache);
        }
#pragma warning disable CA1031 // Packed bytes that are damaged lead their libraries to whatever exception; all mean the same here.
        catch (Exception error) when (error is not (InvalidDataException or OutOfMemoryException))
#pragma warning restore CA1031
        {
            throw new InvalidDataException($"row group {group} cannot be read as Parquet: {error.Message.TrimEnd('.')}", error);
        }
    }
}

/// <summary>A text of an input file, or what is wrong where one should be.</summary>
/// <param name="File">The file's name.</param>
/// <param name="Line">Line (row, where a file has none) from 1; 0 for the file as a whole.</param>
/// <param name="Text">The text; null where <paramref name="Words"/> or <paramref name="Problem"/> stands instead.</param>
/// <param name="Words">Words that stay as they are.</param>
/// <param name="Problem">What is wrong.</param>
internal readonly record struct TextRow(string File, long Line, string? Text, string[]? Words, string? Problem)
{
    /// <summary>Characters of the document before the text, where it is a sentence of one.</summary>
    public long? Offset { get; init; }

    /// <summary>Whether what stands behind it in its file cannot be read.</summary>
    public bool EndsFile { get; init; }

    /// <summary>Its size, roughly, in characters.</summary>
    public int Length => Text?.Length ?? (Words?.Sum(word => word.Length + 1) ?? 0);
}
