namespace NotebookLib.Data;

/// <summary>Parquet: columns of lists of words and of tags, one row group in memory at a time; or texts and numbers alone, as a table.</summary>
internal sealed class ParquetFormat
{
    private const int MostTableColumns = 32;

    private readonly string _path;
    private readonly ReaderOptions _options;
    private readonly ParquetColumn? _words;
    private readonly ParquetColumn? _tags;
    private readonly ParquetColumn? _language;

    private ParquetFormat(string path, ReaderOptions options)
    {
        (_path, _options) = (path, options);
        using var file = Open();
        var given = options.NamedFields;
        Columns = file.Columns;
        _words = Find(given?.Words, FieldNames.Words, IsWords);
        _tags = Find(given?.Tags, FieldNames.Tags, column => IsTags(column) && column != _words);
        if (given is null && (_words is null || _tags is null) && InStruct() is { } pair)
        {
            (_words, _tags) = pair;
        }

        _language = Find(null, FieldNames.Language, column => column is { MaxRepetition: 0, Kind: ParquetKind.Text });
        HasLists = _words is not null && _tags is not null;
        LabelNames = file.Metadata.TryGetValue(Data.LabelNames.MetadataKey, out var json) ? Data.LabelNames.InJson(json, _tags?.Name ?? "ner_tags") : null;
        if (!HasLists
            && (_words is not null || _tags is not null || Find(given?.Words, FieldNames.Words, IsCell) is null
            || Find(given?.Tags, FieldNames.Tags, IsCell) is null))
        {
            var missing = _words is not null ? "tags" : _tags is not null ? "words" : "words and tags";
            throw DataFormatException.ForFile(path,
                $"has no column of {missing}: expected lists of strings (tokens) and lists of whole numbers or strings (ner_tags, tags, "
                + $"labels or the like); found {Listed()}. "
                + "Name yours by fields=WORDS,TAGS.");
        }
    }

    public IReadOnlyList<ParquetColumn> Columns { get; }

    /// <summary>Whether each row is a sentence; else the file is a table.</summary>
    public bool HasLists { get; }

    public string TagField => _tags?.Name ?? "ner_tags";

    public string Description => $"words {_words!.Name}, tags {_tags!.Name}";

    public bool HasLanguage => _language is not null;

    /// <summary>The names of the tags' numbers in the file's metadata, or null.</summary>
    public IReadOnlyList<string>? LabelNames { get; }

    /// <exception cref="DataFormatException">The file is damaged, or its columns are not those of sentences.</exception>
    public static ParquetFormat Of(string path, ReaderOptions options) => new(path, options);

    public IEnumerable<RawRow> Read()
    {
        using var file = Open();
        var (cache, row) = (new WordPool(), 0L);
        for (var index = 0; index < file.GroupCount; index++)
        {
            var columns = ReadGroup(file, index, cache,
                [_words!, _tags!, .. _options.Language is null || _language is null ? [] : (ParquetColumn[])[_language]]);
            for (var i = 0; i < columns[0].Starts.Length - 1; i++)
            {
                yield return Parse(++row, columns, i);
            }
        }
    }

    /// <summary>The rows as a table of the columns that hold no lists.</summary>
    public Table Table()
    {
        List<ParquetColumn> cells = [.. Columns.Where(IsCell).Take(MostTableColumns)];
        return new(Rows, [.. cells.Select(column => column.Name)], HasComments: false);

        IEnumerable<TableRow> Rows()
        {
            using var file = Open();
            var (cache, row) = (new WordPool(), 0L);
            for (var index = 0; index < file.GroupCount; index++)
            {
                var columns = ReadGroup(file, index, cache, cells);
                for (var i = 0; i < columns[0].Starts.Length - 1; i++)
                {
                    yield return new(++row, [.. columns.Select(column => column.Starts[i] < column.Starts[i + 1] ? column.Values[column.Starts[i]] : "")],
                        null);
                }
            }
        }
    }

    private static bool IsWords(ParquetColumn column) => column is { MaxRepetition: 1, Kind: ParquetKind.Text };

    private static bool IsTags(ParquetColumn column) => column.MaxRepetition == 1 && column.Kind != ParquetKind.Other;

    /// <summary>Words and tags side by side within one column: a list of structs with a word and its tag each, or a struct of two lists.</summary>
    private (ParquetColumn Words, ParquetColumn Tags)? InStruct()
    {
        foreach (var group in Columns.Where(IsTags).Where(column => column.Name.Contains('.', StringComparison.Ordinal))
            .GroupBy(column => column.Name[..column.Name.LastIndexOf('.')], StringComparer.Ordinal))
        {
            ParquetColumn? Within(IReadOnlyList<string> known, Func<ParquetColumn, bool> fits) =>
                FieldNames.First(known, group.Where(fits).Select(Last)) is { } name ? group.First(column => fits(column) && Last(column) == name) : null;
            if (Within(FieldNames.Words, IsWords) is { } words && Within(FieldNames.Tags, column => column != words) is { } tags)
            {
                return (words, tags);
            }
        }

        return null;

        static string Last(ParquetColumn column) => column.Name[(column.Name.LastIndexOf('.') + 1)..];
    }

    private static bool IsCell(ParquetColumn column) => column.MaxRepetition == 0 && column.Kind != ParquetKind.Other;

    private ParquetColumn? Find(string? given, IReadOnlyList<string> known, Func<ParquetColumn, bool> fits)
    {
        var fitting = Columns.Where(fits).ToList();
        var name = given ?? FieldNames.First(known, fitting.Select(column => column.Name));
        return fitting.Find(column => column.Name == name);
    }

    private string Listed() => FieldNames.Listed(Columns.Select(column => $"{column.Name} ({column.Description})"));

    private ParquetFile Open()
    {
        try
        {
            return ParquetFile.Open(_path);
        }
        catch (Exception error) when (error is InvalidDataException or OverflowException or ArgumentException)
        {
            throw Fault("the file", error);
        }
    }

    private List<ParquetValues> ReadGroup(ParquetFile file, int index, WordPool cache, IReadOnlyList<ParquetColumn> columns)
    {
        try
        {
            return [.. columns.Select(column => file.Read(index, column, _options.MaxWordsPerRowGroup, cache))];
        }
#pragma warning disable CA1031 // Packed bytes that are damaged lead their libraries to whatever exception; all mean the same here.
        catch (Exception error) when (error is not (DataFormatException or OutOfMemoryException))
#pragma warning restore CA1031
        {
            throw Fault($"row group {index}", error);
        }
    }

    private DataFormatException Fault(string part, Exception error) =>
        DataFormatException.ForFile(_path, $"{part} cannot be read as Parquet: {error.Message.TrimEnd('.')}.", error);

    private RawRow Parse(long number, List<ParquetValues> columns, int row)
    {
        var (words, tags) = (columns[0], columns[1]);
        if (words.RowsWithNulls.Contains(row) || tags.RowsWithNulls.Contains(row))
        {
            return RawRow.Wrong(number, $"column {(words.RowsWithNulls.Contains(row) ? _words!.Name : _tags!.Name)} is null or holds a null.");
        }

        var language = columns.Count > 2 && columns[2].Starts[row] < columns[2].Starts[row + 1] ? columns[2].Values[columns[2].Starts[row]] : null;
        return RawRow.Of(number, words.Values[words.Starts[row]..words.Starts[row + 1]], tags.Values[tags.Starts[row]..tags.Starts[row + 1]], language,
            _options.MaxWordsPerSentence);
    }
}
