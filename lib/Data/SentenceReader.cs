namespace NotebookLib.Data;

/// <summary>Opens data files by one call: JSON, CoNLL and CoNLL-U, CSV, Parquet, packed or not.</summary>
internal static class SentenceReader
{
    private static readonly (string Extension, DataFormat Format)[] Extensions =
    [
        (".jsonl", DataFormat.Json), (".json", DataFormat.Json), (".ndjson", DataFormat.Json), (".csv", DataFormat.Csv), (".parquet", DataFormat.Parquet),
        (".conllu", DataFormat.Conll),
        (".conll", DataFormat.Conll), (".txt", DataFormat.Conll), (".tsv", DataFormat.Conll), (".bio", DataFormat.Conll), (".iob", DataFormat.Conll),
        (".iob2", DataFormat.Conll),
        (".bioes", DataFormat.Conll),
    ];

    /// <summary>Opens a data file. Nothing is read before the result is enumerated; each enumeration reads the file anew.</summary>
    /// <param name="path">The file; its extension says how it is laid out, or its first characters do. A last extension <c>.gz</c>, <c>.zst</c> or <c>.bz2</c>
    /// is looked through.</param>
    /// <param name="source">The types that are known.</param>
    /// <param name="options">How to read it; null for the defaults.</param>
    /// <returns>The sentences, streaming: one row (or one Parquet row group) is in memory at a time.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">The file is of a kind that is not read, or an option is out of range.</exception>
    public static SentenceSource Open(string path, LabelSet source, ReaderOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new ReaderOptions();
        options.Validate();
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: {(Directory.Exists(path) ? "is a folder; expected one data file" : "no such data file")}.", path);
        }

        return new SentenceSource(path, options.Format ?? FormatOf(path), source, options);
    }

    private static DataFormat FormatOf(string path)
    {
        Span<byte> head = stackalloc byte[8];
        using (var file = File.OpenRead(path))
        {
            head = head[..file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
        }

        if (ParquetFile.IsParquet(head))
        {
            return DataFormat.Parquet;
        }

        ThrowIfForeign(path, head);
        var name = TextFile.NameWithin(path);
        foreach (var (extension, format) in Extensions)
        {
            if (name.EndsWith(extension, StringComparison.OrdinalIgnoreCase))
            {
                return format;
            }
        }

        return FormatOfText(path);
    }

    private static void ThrowIfForeign(string path, ReadOnlySpan<byte> head)
    {
        var advice = head.StartsWith("ARROW1"u8) ? "is an Arrow file; write it as Parquet (datasets: dataset.to_parquet(…))"
            : path.EndsWith(".spacy", StringComparison.OrdinalIgnoreCase) ? "is spaCy's binary form; write its documents as JSON lines (doc.to_json()) or CoNLL"
            : path.EndsWith(".xlsx", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".xls", StringComparison.OrdinalIgnoreCase)
            ? "is a spreadsheet; save it as CSV"
            : path.EndsWith(".pkl", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".pickle", StringComparison.OrdinalIgnoreCase)
            ? "is a pickle, which can run code; write it as Parquet or JSON lines"
            : path.EndsWith(".xml", StringComparison.OrdinalIgnoreCase) ? "is XML, which is not read; write it as CoNLL, JSON lines or Parquet"
            : null;
        if (advice is not null)
        {
            throw new ArgumentException($"{path}: {advice}.", nameof(path));
        }
    }

    /// <summary>An extension that says nothing (eng.train, data.ner): JSON begins with a bracket, all else is columns.</summary>
    private static DataFormat FormatOfText(string path)
    {
        try
        {
            using var text = TextFile.Open(path, out _);
            var head = new byte[4096];
            ReadOnlySpan<byte> start = head.AsSpan(0, text.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)).TrimStart("\uFEFF \t\r\n"u8);
            return start is [(byte)'{', (byte)'"' or (byte)' ' or (byte)'\n' or (byte)'\r', ..]
                or [(byte)'[', (byte)'{' or (byte)'[' or (byte)'"' or (byte)'\n' or (byte)'\r', ..] ? DataFormat.Json : DataFormat.Conll;
        }
        catch (InvalidDataException error)
        {
            throw DataFormatException.ForFile(path, error.Message.TrimEnd('.') + ".", error);
        }
    }
}
