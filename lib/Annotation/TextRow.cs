namespace NotebookLib.Annotation;

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

    /// <summary>Its size, roughly, in characters.</summary>
    public int Length => Text?.Length ?? (Words?.Sum(word => word.Length + 1) ?? 0);
}
