using NotebookLib.Inference;

namespace NotebookLib.Annotation;

/// <summary>What is annotated, how, and where the result goes.</summary>
internal sealed record AnnotationSettings
{
    /// <summary>The name of standard input and standard output.</summary>
    public const string Standard = "-";

    /// <summary>
    /// Files, folders (what ends as texts do in them and below), patterns (<c>*</c>, <c>?</c>, <c>**</c>), or <see cref="Standard"/>; packed by gzip, zstd or
    /// bzip2 or not.
    /// </summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    /// <summary>The file to write, or <see cref="Standard"/>.</summary>
    public required string Output { get; init; }

    /// <summary>How to write it; null goes by the output's ending.</summary>
    public AnnotationFormat? Format { get; init; }

    /// <summary>How all inputs are read; null goes by their endings, a text a line where one says nothing.</summary>
    public TextFormat? InputFormat { get; init; }

    /// <summary>Field or column of the text; null looks for the usual names.</summary>
    public string? Field { get; init; }

    /// <summary>Whether a text file is one running text, to be split into sentences, rather than a text a line.</summary>
    public bool IsDocument { get; init; }

    /// <summary>How pieces become entities; null tags words.</summary>
    public AggregationStrategy? Strategy { get; init; }

    /// <summary>Entities with a lower score are left out, 0 to 1.</summary>
    public double Threshold { get; init; }

    /// <summary>Which part of the rows is annotated, from 1: every <see cref="Shards"/>th row.</summary>
    public int Shard { get; init; } = 1;

    /// <summary>How many parts there are.</summary>
    public int Shards { get; init; } = 1;

    /// <summary>Whether the output is to be joined with those of other shards: what that needs is kept beside it.</summary>
    public bool IsPart { get; init; }

    /// <summary>Whether wrong rows are left out rather than ending the run.</summary>
    public bool SkipsErrors { get; init; }

    /// <summary>Whether an output that is there already is replaced.</summary>
    public bool Replaces { get; init; }

    /// <summary>Whether what an earlier, killed run left is thrown away rather than gone on with.</summary>
    public bool Restarts { get; init; }

    /// <summary>Whether the output is there as a complete part; what it is a part of is seen when the model is known.</summary>
    internal bool IsCompletePart =>
        IsPart && !Restarts && File.Exists(Output) && File.Exists(AnnotationShard.RecordOf(Output)) && !AnnotationPart.IsEnding(Output);

    /// <summary>The format to write: the given one, or that of the output's ending.</summary>
    /// <exception cref="ArgumentException">The ending does not tell.</exception>
    internal AnnotationFormat OutputFormat => Format ?? FormatOfEnding ?? (Output == Standard ? AnnotationFormat.JsonLines
        : throw new ArgumentException($"{Output}: its ending does not say what to write; expected .jsonl, .json, .conll, .csv, .parquet or .html, "
            + "or the format by name."));

    /// <summary>The format that the output's ending says; null when it says none.</summary>
    internal AnnotationFormat? FormatOfEnding => Path.GetExtension(Output).ToLowerInvariant() switch
    {
        ".jsonl" or ".ndjson" => AnnotationFormat.JsonLines,
        ".json" => AnnotationFormat.Json,
        ".conll" or ".bio" or ".iob2" or ".tsv" => AnnotationFormat.Conll,
        ".csv" => AnnotationFormat.Csv,
        ".parquet" => AnnotationFormat.Parquet,
        ".html" or ".htm" => AnnotationFormat.Html,
        _ => null,
    };

    /// <summary>Checks what can be checked before a model is loaded.</summary>
    /// <exception cref="ArgumentException">The settings cannot work: all faults together.</exception>
    public void Validate()
    {
        (bool Is, Func<string> Fault)[] faults =
        [
            (Inputs.Count == 0 || Inputs.Any(string.IsNullOrWhiteSpace), () => "There is no input; expected files, folders, patterns or - for standard input."),
            (Inputs.Count > 1 && Inputs.Contains(Standard), () => "Standard input (-) stands among other inputs; expected it alone."),
            (!(Threshold is >= 0 and <= 1), () => Invariant($"The threshold is {Threshold}; expected a probability from 0 to 1.")),
            (Shards < 1 || Shard < 1 || Shard > Shards, () => Invariant($"The shard is {Shard}/{Shards}; expected I/N with I from 1 to N.")),
            (string.IsNullOrWhiteSpace(Output), () => "There is no output; expected a file, or - for standard output."),
            (IsDocument && InputFormat is not (null or TextFormat.Text),
                () => $"The inputs are read as {InputFormat}; only plain text is split into sentences as a document."),
            (Output == Standard && Format == AnnotationFormat.Parquet, () => "Parquet cannot be written to standard output; name a file."),
            (Directory.Exists(Output), () => $"{Output}: is a folder; name a file in it."),
            (File.Exists(Output) && !Replaces && !IsCompletePart && !AnnotationPart.IsEnding(Output),
                () => $"{Output}: exists already and was left as it is. Name another output, or have it replaced."),
        ];
        List<string> found = [.. faults.Where(fault => fault.Is).Select(fault => fault.Fault())];
        foreach (var check in (Action[])[() => _ = OutputFormat, () => _ = Inputs.Contains(Standard) ? [] : Files()])
        {
            try
            {
                check();
            }
            catch (Exception error) when (error is ArgumentException or FileNotFoundException)
            {
                found.Add(error.Message);
            }
        }

        if (found.Count > 0)
        {
            throw new ArgumentException(string.Join('\n', found));
        }
    }

    /// <summary>The files that the inputs name; an output that is there, and what a killed run left of it, is none.</summary>
    /// <exception cref="FileNotFoundException">An input names nothing.</exception>
    /// <exception cref="ArgumentException">A file is no text that could be split into sentences.</exception>
    internal List<InputFile> Files()
    {
        var output = Output == Standard ? null : Path.GetFullPath(Output);
        var files = InputFiles.Find(Inputs, InputFormat,
            path => output is not null && (path == output || path.StartsWith(output + ".part", StringComparison.Ordinal)));
        return IsDocument && files.Find(file => file.Format != TextFormat.Text) is { } other
            ? throw new ArgumentException($"{other.Name}: is read as {other.Format}; only plain text is split into sentences as a document.") : files;
    }
}

/// <summary>How far an annotation has come.</summary>
/// <param name="Rows">Texts written so far, those of an earlier, killed run among them.</param>
/// <param name="Entities">Entities found in them.</param>
/// <param name="Skipped">Wrong rows left out.</param>
/// <param name="NewRows">Texts written since this run began.</param>
/// <param name="Tokens">Pieces that the network scored since this run began.</param>
/// <param name="Seconds">Since this run began.</param>
/// <param name="Fraction">How much of the input has been read, 0 to 1.</param>
/// <param name="FractionAtStart">How much of it an earlier run had done.</param>
internal sealed record AnnotationProgress(long Rows, long Entities, long Skipped, long NewRows, long Tokens, double Seconds, double Fraction,
    double FractionAtStart)
{
    /// <summary>Files that could be read in part only: a row left out was the last that could be told apart.</summary>
    public int CutFiles { get; init; }

    /// <summary>Whether the output is a part that an earlier run had completed: nothing was done.</summary>
    public bool WasComplete { get; init; }

    /// <summary>The time left at this run's rate; null before there is one.</summary>
    public double? SecondsLeft => Fraction - FractionAtStart > 0.001 ? Seconds * (1 - Fraction) / (Fraction - FractionAtStart) : null;
}

/// <summary>How texts stand in a file that is annotated.</summary>
internal enum TextFormat
{
    /// <summary>A text a line.</summary>
    Text,

    /// <summary>JSON objects, one a line or in an array; a field holds the text, or a list of words.</summary>
    Json,

    /// <summary>Separated values with a header; a column holds the text.</summary>
    Csv,

    /// <summary>A word a line, a blank line between sentences; tags that stand there are not read.</summary>
    Conll,

    /// <summary>Parquet; a column holds the text, or lists of words.</summary>
    Parquet,
}

/// <summary>How annotated texts are written.</summary>
internal enum AnnotationFormat
{
    /// <summary>
    /// A JSON object a line: text, entities with start, end, type, score and text, and where the text stood. Places count characters, as Python does.
    /// </summary>
    JsonLines,

    /// <summary>The same objects in one array.</summary>
    Json,

    /// <summary>Word, tab, tag; a blank line behind each text.</summary>
    Conll,

    /// <summary>A row a text, with words, tags and entities as JSON in cells. Places count characters.</summary>
    Csv,

    /// <summary>tokens, ner_tags, text, entities (a list of structures), file, line. Places count characters.</summary>
    Parquet,

    /// <summary>A page that shows the entities in colours and loads nothing.</summary>
    Html,

    /// <summary>
    /// What doccano imports for sequence labelling: text and label, a list of [start, end, type]. Places count UTF-16 units, as doccano's page does.
    /// </summary>
    Doccano,

    /// <summary>Label Studio's tasks with predictions to be corrected. Places count UTF-16 units, as its page does.</summary>
    LabelStudio,

    /// <summary>spaCy's documents as <c>Doc.from_json</c> reads them, one a line: text, ents, tokens. Places count characters.</summary>
    Spacy,
}
