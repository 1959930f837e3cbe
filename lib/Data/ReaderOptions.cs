namespace NotebookLib.Data;

/// <summary>How a data file is laid out.</summary>
public enum DataFormat
{
    /// <summary>One JSON object a line: <c>tokens</c>, <c>ner_tags</c> (ids or names), <c>lang</c>; MultiNERD's own form.</summary>
    JsonLines,

    /// <summary>One word a line, columns separated by tabs or blanks, a blank line between sentences.</summary>
    Conll,

    /// <summary>CoNLL whose first column numbers the words and whose comments start with <c>#</c>.</summary>
    ConllU,

    /// <summary>Columns <c>tokens</c> (list of strings), <c>ner_tags</c> (list of ids or names), <c>lang</c>.</summary>
    Parquet,
}

/// <summary>What to do with an entity type that the source's label set does not have.</summary>
public enum UnknownTypes
{
    /// <summary>Report the line.</summary>
    Error,

    /// <summary>Read it as O; for instance WikiNEuRal's MISC, which MultiNERD lacks.</summary>
    Outside,
}

/// <summary>Which rows of a file to give.</summary>
public enum RowListing
{
    /// <summary>Each different sentence (words and tags) once, where it first appears. Remembers 16 bytes a sentence.</summary>
    Distinct,

    /// <summary>The rows as the file lists them, repeats and all.</summary>
    AsListed,

    /// <summary>The whole listing twice, one after the other, as the saved outputs of the original notebooks had it (datasets 2.15 read each file two times).</summary>
    Published,
}

/// <summary>How to read a data file. The defaults read every language, each sentence once, and refuse whatever looks wrong.</summary>
public sealed record ReaderOptions
{
    /// <summary>The layout; null goes by the file's extension.</summary>
    public DataFormat? Format { get; init; }

    /// <summary>Give only rows of this language, for instance <c>en</c>; null gives all. CoNLL files carry no language: all their rows pass.</summary>
    public string? Language { get; init; }

    /// <summary>Give tags as ids of this set, types that it lacks as O (System A's data for System B); null leaves them as in the source.</summary>
    public LabelSet? Target { get; init; }

    /// <summary>What to do with tag names of a type that the source's label set lacks.</summary>
    public UnknownTypes UnknownTypes { get; init; } = UnknownTypes.Error;

    /// <summary>Which rows to give.</summary>
    public RowListing Rows { get; init; } = RowListing.Distinct;

    /// <summary>How many faults the exception lists; the others are counted.</summary>
    public int FaultLimit { get; init; } = 20;

    /// <summary>Longest line allowed in text files, in bytes (16 MiB).</summary>
    public int MaxLineBytes { get; init; } = 16 << 20;

    /// <summary>Most words allowed in a sentence.</summary>
    public int MaxWordsPerSentence { get; init; } = 10_000;

    /// <summary>Most words allowed in a row group of a Parquet file, which is held in memory at once (64 Mi words, near 2 GB).</summary>
    public int MaxWordsPerRowGroup { get; init; } = 64 << 20;

    /// <summary>Column of the word in CoNLL files, from 0; null is 0, or 1 in CoNLL-U. Negative numbers count from the end.</summary>
    public int? WordColumn { get; init; }

    /// <summary>Column of the tag in CoNLL files, from 0; negative numbers count from the end: −1 is the last.</summary>
    public int TagColumn { get; init; } = -1;

    /// <summary>Checks all limits at once.</summary>
    /// <exception cref="ArgumentException">Names every setting that is out of range, with its value.</exception>
    public void Validate()
    {
        var wrong = new (string Name, int Value, int Least)[]
            {
                (nameof(FaultLimit), FaultLimit, 1),
                (nameof(MaxLineBytes), MaxLineBytes, 2),
                (nameof(MaxWordsPerSentence), MaxWordsPerSentence, 1),
                (nameof(MaxWordsPerRowGroup), MaxWordsPerRowGroup, 1),
            }
            .Where(setting => setting.Value < setting.Least)
            .Select(setting => Invariant($"{setting.Name} is {setting.Value}; expected at least {setting.Least}."))
            .Concat(MaxLineBytes > 1 << 29 ? [$"{nameof(MaxLineBytes)} is {MaxLineBytes}; expected at most {1 << 29}."] : [])
            .ToList();
        if (wrong.Count > 0)
        {
            throw new ArgumentException(string.Join(' ', wrong));
        }
    }
}
