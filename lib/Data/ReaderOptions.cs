using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>How a data file is laid out.</summary>
internal enum DataFormat
{
    /// <summary>
    /// JSON objects, one a line, in one array, or in an array within an object: words and tags (<c>tokens</c>, <c>ner_tags</c> or other usual names), or a text
    /// and its spans of characters (doccano, Label Studio, Prodigy, spaCy).
    /// </summary>
    Json,

    /// <summary>CoNLL, CoNLL-U and their kin: one word a line, columns separated by tabs or blanks, a blank line between sentences.</summary>
    Conll,

    /// <summary>Separated values: a word a row with its sentence, or a sentence a row with lists of words and tags.</summary>
    Csv,

    /// <summary>Parquet: columns of lists of words and of tags, or a word a row with its sentence.</summary>
    Parquet,
}

/// <summary>How tags mark where an entity begins and ends.</summary>
public enum TagScheme
{
    /// <summary>B- begins every entity, I- continues it; what this library works with.</summary>
    Iob2,

    /// <summary>I- marks entities, B- only where one begins right behind another of its type; CoNLL-2003 as it was published.</summary>
    Iob1,

    /// <summary>A type alone, or I- alone: neighbours of one type are one entity.</summary>
    Io,

    /// <summary>Also E- for an entity's last word and S- for a word that is all of one.</summary>
    Bioes,

    /// <summary>The same with L- and U-; spaCy calls it BILUO.</summary>
    Bilou,

    /// <summary>B-, M-, E- and S- (or W-).</summary>
    Bmes,
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

    /// <summary>
    /// The whole listing twice, one after the other, as the saved outputs of the original notebooks had it (datasets 2.15 read each file two times).
    /// </summary>
    Published,
}

/// <summary>How to read a data file. The defaults read every language, each sentence once, and refuse whatever looks wrong.</summary>
internal sealed record ReaderOptions
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
    [Expected("at least 1", Least = 1)]
    public int FaultLimit { get; init; } = 20;

    /// <summary>Longest line allowed in text files, in bytes (16 MiB).</summary>
    [Expected("at least 2", Least = 2)]
    public int MaxLineBytes { get; init; } = 16 << 20;

    /// <summary>Most words allowed in a sentence.</summary>
    [Expected("at least 1", Least = 1)]
    public int MaxWordsPerSentence { get; init; } = 10_000;

    /// <summary>Most words allowed in a row group of a Parquet file, which is held in memory at once (64 Mi words, near 2 GB).</summary>
    [Expected("at least 1", Least = 1)]
    public int MaxWordsPerRowGroup { get; init; } = 64 << 20;

    /// <summary>How the tags mark entities; null goes by what the file shows, over all of it.</summary>
    public TagScheme? Scheme { get; init; }

    /// <summary>
    /// Whether tags that are numbers are ids of the source's label set where neither the file nor one beside it names them; false refuses such numbers.
    /// </summary>
    public bool NumbersAreLabels { get; init; } = true;

    /// <summary>Column of the word in CoNLL and CSV files, from 0; negative numbers count from the end. Null looks for it.</summary>
    public int? WordColumn { get; init; }

    /// <summary>Column of the tag in CoNLL and CSV files, from 0; negative numbers count from the end: −1 is the last. Null looks for it.</summary>
    public int? TagColumn { get; init; }

    /// <summary>
    /// Names of the words' and the tags' field or column (or the text's and the spans'), with a comma between: <c>words,labels</c>. Null looks for the usual
    /// ones.
    /// </summary>
    public string? Fields { get; init; }

    /// <summary>The two names in <see cref="Fields"/>.</summary>
    internal (string Words, string Tags)? NamedFields =>
        Fields?.Split(',', StringSplitOptions.TrimEntries) is [{ Length: > 0 } words, { Length: > 0 } tags] ? (words, tags) : null;

    /// <summary>Checks all limits at once.</summary>
    /// <exception cref="ArgumentException">Names every setting that is out of range, with its value.</exception>
    public void Validate()
    {
        var wrong = SettingRules.FindFaults(this);
        SettingRules.Require(Fields is null || NamedFields is not null, nameof(Fields), $"\"{Fields}\"",
            "two names with a comma between: that of the words and that of the tags", wrong);
        SettingRules.Require(MaxLineBytes <= 1 << 29, nameof(MaxLineBytes), MaxLineBytes, $"at most {1 << 29}", wrong);
        if (wrong.Count > 0)
        {
            throw new ArgumentException(string.Join(' ', wrong));
        }
    }
}
