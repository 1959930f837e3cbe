using System.Text;
using System.Text.RegularExpressions;

namespace NotebookLib.Data;

/// <summary>
/// Text as it may stand in a cell of a CSV file. A spreadsheet runs what begins like a formula, and a terminal obeys control characters: the first gets an
/// apostrophe before it, which spreadsheets take for "text", the others become the pictures that Unicode has for them. Plain numbers stay as they are, also
/// with a sign.
/// </summary>
internal static partial class CsvText
{
    private const char TextMark = '\'';
    private const char FirstPicture = '\u2400';

    // Spreadsheets in Chinese and Japanese take the wide forms for the narrow ones.
    private const string FormulaSigns = "=+-@＝＋－＠";

    /// <summary>A text, made harmless.</summary>
    /// <param name="text">Whatever somebody else wrote: a name, a path, a parameter.</param>
    /// <returns>The same for usual text and plain numbers.</returns>
    public static string Harmless(string text)
    {
        var shown = text.Any(IsControl) ? WithPictures(text) : text;
        return BeginsLikeFormula(shown) && !PlainNumber().IsMatch(shown) ? TextMark + shown : shown;
    }

    /// <summary>The text from which <see cref="Harmless"/> made a cell; control characters stay pictures.</summary>
    internal static string Original(string cell) => cell.Length > 0 && cell[0] == TextMark && BeginsLikeFormula(cell) ? cell[1..] : cell;

    /// <summary>A number as tables show it (1,000, −0.072, +0.003) as programs read it; other texts as they are.</summary>
    internal static string Plain(string shown)
    {
        var text = shown.Replace('−', '-');
        return TypesetNumber().IsMatch(text) ? text.Replace(",", "", StringComparison.Ordinal).TrimStart('+') : shown;
    }

    /// <summary>Also behind the marks of a cell that was made harmless before, so that each mark is one step, there and back.</summary>
    private static bool BeginsLikeFormula(string text) =>
        text.AsSpan().TrimStart(TextMark) is [var first, ..] && (FormulaSigns.Contains(first, StringComparison.Ordinal) || first == '\t');

    // A line break is what quotes are for, and a tab within a text is a blank.
    private static bool IsControl(char letter) => char.IsControl(letter) && letter is not ('\n' or '\t');

    private static string WithPictures(string text)
    {
        var shown = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var letter = text[i];
            shown.Append(!IsControl(letter) || text.AsSpan(i).StartsWith("\r\n")
                ? letter : letter < ' ' ? (char)(FirstPicture + letter) : letter == '\u007f' ? '\u2421' : '\ufffd');
        }

        return shown.ToString();
    }

    [GeneratedRegex(@"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$", RegexOptions.CultureInvariant)]
    private static partial Regex PlainNumber();

    [GeneratedRegex(@"^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?(e[+-]?\d+)?$", RegexOptions.CultureInvariant)]
    private static partial Regex TypesetNumber();
}
