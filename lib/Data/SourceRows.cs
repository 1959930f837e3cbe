namespace NotebookLib.Data;

/// <summary>A file whose form is known: its rows, to be gone through as often as wanted, and what was decided about it.</summary>
/// <param name="Format">Kind of file, for people.</param>
/// <param name="Encoding">Encoding and packing, for people; null where the format has its own.</param>
/// <param name="Layout">Fields or columns, for people.</param>
/// <param name="TagField">Field or column of the tags.</param>
/// <param name="CarriesLanguage">Whether rows can name their language.</param>
/// <param name="Rows">The rows.</param>
internal sealed record SourceRows(string Format, string? Encoding, string Layout, string TagField, bool CarriesLanguage, Func<IEnumerable<RawRow>> Rows)
{
    /// <summary>What the file itself says its numbers stand for, or null.</summary>
    public IReadOnlyList<string>? LabelNames { get; init; }

    /// <summary>What was left out in the latest reading.</summary>
    public Func<IEnumerable<string>> Notices { get; init; } = () => [];

    /// <summary>Looks at a file and decides how it is laid out.</summary>
    /// <exception cref="DataFormatException">It has no layout that is known here; the message says what was found.</exception>
    public static SourceRows Of(string path, DataFormat format, LabelSet labels, ReaderOptions options)
    {
        try
        {
            return format switch
            {
                DataFormat.Parquet => OfParquet(path, labels, options),
                DataFormat.Json => OfJson(path, labels, options),
                DataFormat.Csv => OfCsv(path, labels, options),
                _ => OfConll(path, labels, options),
            };
        }
        catch (InvalidDataException error)
        {
            throw DataFormatException.ForFile(path, error.Message.TrimEnd('.') + ".", error);
        }
    }

    private static SourceRows OfParquet(string path, LabelSet labels, ReaderOptions options)
    {
        var parquet = ParquetFormat.Of(path, options);
        if (options.Language is not null && !parquet.HasLanguage)
        {
            throw DataFormatException.ForFile(path,
                $"has no column lang (of strings), and only '{options.Language}' is wanted; set Language to null to read every row.");
        }

        var rows = parquet.HasLists ? new SourceRows("Parquet", null, parquet.Description, parquet.TagField, true, parquet.Read)
            : OfTable("Parquet", null, path, parquet.Table(), labels, options);
        return rows with { LabelNames = parquet.LabelNames };
    }

    private static SourceRows OfJson(string path, LabelSet labels, ReaderOptions options)
    {
        TextFile.Open(path, out var encoding).Dispose();
        var json = JsonFormat.Of(path, () => TextFile.Open(path, out _), options);
        var rows = json.Layout.Kind == JsonRowKind.Flat ? OfTable(json.Form, encoding, path, json.Table(), labels, options)
            : new SourceRows(json.Form, encoding, json.Layout.Description, json.Layout.Tags, true, json.Read) { Notices = () => json.Notices };
        return rows with { LabelNames = json.LabelNames };
    }

    private static SourceRows OfCsv(string path, LabelSet labels, ReaderOptions options)
    {
        TextFile.Open(path, out var encoding).Dispose();
        var table = CsvFormat.Table(() => TextFile.Open(path, out _), options, out var separator);
        return OfTable($"CSV, separated by {separator switch { '\t' => "tabs", ';' => "semicolons", '|' => "bars", _ => "commas" }}", encoding, path, table,
            labels, options);
    }

    private static SourceRows OfConll(string path, LabelSet labels, ReaderOptions options)
    {
        LineReader Open() => new(TextFile.Open(path, out _), options.MaxLineBytes);
        TextFile.Open(path, out var encoding).Dispose();
        if (ConllFormat.IsQuoted(Open))
        {
            return OfCsv(path, labels, options);
        }

        var table = ConllFormat.Table(Open);
        return OfTable("CoNLL", encoding, path, table, labels, options);
    }

    private static SourceRows OfTable(string format, string? encoding, string path, Table table, LabelSet labels, ReaderOptions options)
    {
        if (ListRows.Find(table, options) is { } lists)
        {
            var header = table.Header!;
            return new($"{format}, a sentence a row", encoding, $"words {header[lists.Words]}, tags {header[lists.Tags]}", header[lists.Tags], false,
                () => ListRows.Read(table, lists, options));
        }

        var roles = ColumnRoles.Find(path, table, labels, options);
        var name = roles.MiscKey is not null ? "CoNLL-U, tags in MISC" : roles.Number >= 0 ? $"{format}, numbered words" : $"{format}, a word a row";
        return new(name, encoding, roles.Description, table.Header?[roles.Tag] ?? "ner_tags", false, () => new TableRows(table, roles, options).Read());
    }
}
