using System.Text.Json;

namespace NotebookLib.Tracking;

/// <summary>
/// Splits the text of a JSON object into its top-level members without reading the values, so that numbers keep every digit
/// and bare NaN passes. System.Text.Json refuses NaN; the rows were written by <see cref="RowText"/> and carry a checksum.
/// </summary>
internal static class JsonMembers
{
    /// <summary>The members in order: decoded names, raw text of the values.</summary>
    /// <exception cref="FormatException">The text is not an object.</exception>
    public static IEnumerable<KeyValuePair<string, string>> Split(string text)
    {
        var position = SkipBlanks(text, 0);
        if (position >= text.Length || text[position] != '{')
        {
            throw Fault(text, position);
        }

        position = SkipBlanks(text, position + 1);
        while (position < text.Length && text[position] != '}')
        {
            var nameEnd = EndOfValue(text, position);
            var name = JsonSerializer.Deserialize<string>(text.AsSpan(position, nameEnd - position)) ?? "";
            var colon = SkipBlanks(text, nameEnd);
            if (colon >= text.Length || text[colon] != ':')
            {
                throw Fault(text, colon);
            }

            var start = SkipBlanks(text, colon + 1);
            var end = EndOfValue(text, start);
            yield return new(name, text[start..end].TrimEnd());
            position = SkipBlanks(text, end);
            position = position < text.Length && text[position] == ',' ? SkipBlanks(text, position + 1) : position;
        }

        if (position != text.Length - 1)
        {
            throw Fault(text, position);
        }
    }

    /// <summary>Puts members together again.</summary>
    public static string Join(IEnumerable<KeyValuePair<string, string>> members)
        => "{" + string.Join(",", members.Select(member => RowText.Value(member.Key) + ":" + member.Value)) + "}";

    /// <summary>
    /// Where the value that begins at <paramref name="start"/> ends: at the first comma, colon or closing bracket outside strings and nested values.
    /// </summary>
    private static int EndOfValue(string text, int start)
    {
        var (depth, inString) = (0, false);
        for (var i = start; i < text.Length; i++)
        {
            var c = text[i];
            if (inString)
            {
                i += c == '\\' ? 1 : 0;
                inString = c != '"';
            }
            else if (depth == 0 && c is ',' or ':' or '}' or ']')
            {
                return i;
            }
            else
            {
                inString = c == '"';
                depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
            }
        }

        throw Fault(text, text.Length);
    }

    private static int SkipBlanks(string text, int position)
    {
        while (position < text.Length && text[position] is ' ' or '\t' or '\r' or '\n')
        {
            position++;
        }

        return position;
    }

    private static FormatException Fault(string text, int position) =>
        new($"expected a JSON object, found something else at character {position} of {text.Length}");
}
