using System.Buffers;
using System.Globalization;
using System.Text;

namespace NotebookLib.Data;

/// <summary>
/// Splits running text into words as data sets have them: at white space, punctuation at a word's edges apart from it (<c>(Paris).</c> is four words,
/// <c>3.5</c> and <c>free-kick</c> are one each), each character of Chinese and Japanese by itself. A text whose punctuation stands apart already is split at
/// white space alone.
/// </summary>
internal static class WordSplitter
{
    private static readonly SearchValues<char> Closing = SearchValues.Create(".,;:!?)]}\"'»”’…");

    /// <summary>The words, as ranges of the text in UTF-16 units.</summary>
    public static List<(int Start, int End)> Split(string text)
    {
        var chunks = Chunks(text);
        if (StandsApart(text, chunks))
        {
            return chunks;
        }

        var words = new List<(int, int)>(chunks.Count + 8);
        foreach (var (start, end) in chunks)
        {
            AddWords(text, start, end, words);
        }

        return words;
    }

    /// <summary>Punctuation stands alone somewhere, and no comma or semicolon is attached to a word, which none is where tokens were split.</summary>
    private static bool StandsApart(string text, List<(int Start, int End)> chunks) =>
        chunks.Exists(chunk => text.AsSpan(chunk.Start..chunk.End).IndexOfAnyExcept(Closing) < 0)
        && !chunks.Exists(chunk => text[chunk.End - 1] is ',' or ';' && chunk.End - chunk.Start > 1 && char.IsLetterOrDigit(text[chunk.End - 2]));

    /// <summary>Whether a word may be split between two characters: not within letters or within digits.</summary>
    public static bool IsBorder(string text, int at) => at <= 0 || at >= text.Length || !IsInner(text, at - 1) || !IsInner(text, at);

    private static List<(int Start, int End)> Chunks(string text)
    {
        var chunks = new List<(int, int)>();
        for (var at = 0; at < text.Length;)
        {
            var start = at;
            while (at < text.Length && !char.IsWhiteSpace(text[at]))
            {
                at++;
            }

            if (at > start)
            {
                chunks.Add((start, at));
            }

            at++;
        }

        return chunks;
    }

    private static void AddWords(string text, int start, int end, List<(int, int)> words)
    {
        var last = end;
        while (start < last && IsEdge(text, start))
        {
            start = Add(start, start + Length(text, start));
        }

        while (last > start && IsEdge(text, last - 1) && !char.IsLowSurrogate(text[last - 1]))
        {
            last--;
        }

        for (var at = start; at < last; at += Length(text, at))
        {
            if (IsIdeograph(text, at))
            {
                start = at > start ? Add(start, at) : start;
                start = Add(start, at + Length(text, at));
            }
        }

        start = last > start ? Add(start, last) : start;
        while (start < end)
        {
            start = Add(start, start + 1);
        }

        int Add(int from, int to)
        {
            words.Add((from, to));
            return to;
        }
    }

    private static int Length(string text, int at) => at + 1 < text.Length && char.IsSurrogatePair(text, at) ? 2 : 1;

    // Signs that belong to a word stay with it: $5, #tag, @name, 5 %, C++.
    private static bool IsEdge(string text, int at) =>
        CharUnicodeInfo.GetUnicodeCategory(text, at) is UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation
        or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.DashPunctuation
        || text[at] is '.' or ',' or ';' or ':' or '!' or '?' or '"' or '\'' or '…' or '¿' or '¡' or '。' or '、' or '，' or '！' or '？' or '：' or '；' or '/'
        or '*';

    private static bool IsInner(string text, int at) =>
        char.IsSurrogate(text[at]) || CharUnicodeInfo.GetUnicodeCategory(text, at) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
        || (char.IsLetterOrDigit(text[at]) && !IsIdeograph(text, at));

    private static bool IsIdeograph(string text, int at) => Rune.TryGetRuneAt(text, at, out var rune)
        && rune.Value is (>= 0x3040 and <= 0x30FF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x4E00 and <= 0x9FFF) or (>= 0xF900 and <= 0xFAFF)
        or (>= 0x20000 and <= 0x3FFFF);
}
