namespace NotebookLib.Data;

/// <summary>What a format makes of one row: a sentence, or what is wrong with it.</summary>
/// <param name="Line">Line or row, from 1.</param>
/// <param name="Sentence">The sentence with mapped tags, or null when the row is wrong.</param>
/// <param name="Language">The row's language, or null when it names none.</param>
/// <param name="Problem">What is wrong, or null.</param>
internal readonly record struct ParsedRow(long Line, Sentence? Sentence, string? Language, string? Problem)
{
    public static ParsedRow Wrong(long line, string problem) => new(line, null, null, problem);
}
