namespace NotebookLib.Annotation;

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
