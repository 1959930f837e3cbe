namespace NotebookLib.Data;

/// <summary>Opens data files: MultiNERD's JSON lines, CoNLL, CoNLL-U and Parquet, gzipped or not, by one call.</summary>
public static class SentenceReader
{
    private static readonly (string Extension, DataFormat Format)[] Extensions =
    [
        (".jsonl", DataFormat.JsonLines), (".json", DataFormat.JsonLines), (".ndjson", DataFormat.JsonLines),
        (".conll", DataFormat.Conll), (".txt", DataFormat.Conll), (".tsv", DataFormat.Conll), (".bio", DataFormat.Conll), (".iob", DataFormat.Conll), (".iob2", DataFormat.Conll),
        (".conllu", DataFormat.ConllU), (".parquet", DataFormat.Parquet),
    ];

    /// <summary>Opens a data file. Nothing is read before the result is enumerated; each enumeration reads the file anew.</summary>
    /// <param name="path">The file; a last extension <c>.gz</c> is looked through.</param>
    /// <param name="source">Names the file's tags.</param>
    /// <param name="options">How to read it; null for the defaults.</param>
    /// <returns>The sentences, streaming: one line (or one Parquet row group) is in memory at a time.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">The extension says nothing about the layout, or an option is out of range.</exception>
    public static SentenceSource Open(string path, LabelSet source, ReaderOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(source);
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
        var name = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path;
        foreach (var (extension, format) in Extensions)
        {
            if (name.EndsWith(extension, StringComparison.OrdinalIgnoreCase))
            {
                return format;
            }
        }

        throw new ArgumentException(
            $"{path}: the extension '{Path.GetExtension(name)}' names no layout; expected one of {string.Join(' ', Extensions.Select(pair => pair.Extension))} (or these with .gz), "
            + "or say it by ReaderOptions.Format.",
            nameof(path));
    }
}
