using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>Between the two ways to count a text: code points, as the tokenizer's offsets do, and UTF-16 units, as .NET strings do.</summary>
internal static class CodePoints
{
    /// <summary>How many code points a text has; a surrogate pair is one, and so is a surrogate that stands alone.</summary>
    public static int Count(ReadOnlySpan<char> text)
    {
        var count = text.Length;
        for (var at = 1; at < text.Length; at++)
        {
            if (char.IsLowSurrogate(text[at]) && char.IsHighSurrogate(text[at - 1]))
            {
                count--;
            }
        }

        return count;
    }

    /// <summary>Turns the tokenizer's offsets into ranges of the string, so that <c>text[start..end]</c> is what a piece covers.</summary>
    /// <param name="text">The text that was tokenized.</param>
    /// <param name="offsets">Ranges in code points, end exclusive, in any order.</param>
    /// <returns>The same ranges in UTF-16 units.</returns>
    /// <exception cref="ArgumentException">An offset lies outside the text.</exception>
    public static (int Start, int End)[] ToUtf16(string text, IReadOnlyList<(int Start, int End)> offsets)
    {
        var places = new List<int>(text.Length + 1);
        for (var at = 0; at < text.Length; at += Rune.TryGetRuneAt(text, at, out var rune) ? rune.Utf16SequenceLength : 1)
        {
            places.Add(at);
        }

        places.Add(text.Length);
        return [.. offsets.Select(range => (PlaceOf(range.Start), PlaceOf(range.End)))];

        int PlaceOf(int codePoint) => (uint)codePoint < (uint)places.Count
            ? places[codePoint]
            : throw new ArgumentException($"Offset {codePoint} lies outside a text of {places.Count - 1} code points; was another text tokenized?",
                nameof(offsets));
    }

    /// <summary>Puts U+FFFD where a surrogate stands alone; the number of code points stays the same.</summary>
    internal static string WellFormed(string text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (char.IsSurrogate(text[at]))
            {
                if (at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]))
                {
                    at++;
                    continue;
                }

                return Replaced(text);
            }
        }

        return text;

        static string Replaced(string text)
        {
            var builder = new StringBuilder(text.Length);
            foreach (var rune in text.EnumerateRunes())
            {
                builder.Append(rune);
            }

            return builder.ToString();
        }
    }
}
