using System.Globalization;

namespace NotebookLib.Data;

/// <summary>What a format makes of one row: words and tags as the file spells them, or what is wrong with it.</summary>
/// <param name="Line">Line (row, where a file has none) counted from 1.</param>
/// <param name="Words">The words.</param>
/// <param name="Tags">One tag for each word: a name, or a number as text.</param>
/// <param name="Language">The row's language, or null when it names none.</param>
/// <param name="Problem">What is wrong, or null.</param>
internal readonly record struct RawRow(long Line, string[] Words, string[] Tags, string? Language, string? Problem)
{
    /// <summary>Line of each word, where each has its own.</summary>
    public long[]? WordLines { get; init; }

    private static readonly string[] SmallNumbers = [.. Enumerable.Range(0, 256).Select(number => number.ToString(CultureInfo.InvariantCulture))];

    public static RawRow Wrong(long line, string problem) => new(line, [], [], null, problem);

    /// <summary>What is wrong where the file itself is.</summary>
    public static string Damage(InvalidDataException error) => $"behind this line {error.Message}; fetch the file again.";

    /// <summary>A number as text, the small ones without a new string.</summary>
    public static string NumberText(long number) => number is >= 0 and < 256 ? SmallNumbers[number] : number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A row of words and tags, or what is wrong with their numbers.</summary>
    public static RawRow Of(long line, string[] words, string[] tags, string? language, int mostWords) =>
        words.Length != tags.Length ? Wrong(line, $"{words.Length} words but {tags.Length} tags; expected one tag per word.")
        : words.Length > mostWords ? Wrong(line, $"more than {mostWords} words; raise MaxWordsPerSentence if that is right.")
        : new(line, words, tags, language, null);
}
