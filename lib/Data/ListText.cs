using System.Globalization;
using System.Text;
using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>
/// Lists of words or tags written into one cell, as tools print them: JSON, Python (<c>['a', 'b']</c>), numpy (<c>['a' 'b']</c>, <c>[0 1]</c>), DuckDB
/// (<c>[a, ',']</c>), or simply words with blanks between.
/// </summary>
internal static class ListText
{
    public static bool LooksLikeList(string cell) => cell.Trim() is ['[', .., ']'] or ['(', .., ')'];

    /// <summary>Takes a list apart.</summary>
    /// <exception cref="FormatException">It is none, or one that does not tell its items; says why.</exception>
    public static string[] Parse(string cell)
    {
        var text = cell.Trim();
        return !LooksLikeList(text) ? text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) : FromJson(text) ?? new Parser(text[1..^1]).Parse();
    }

    private static string[]? FromJson(string text)
    {
        try
        {
            using var json = StrictJson.Parse(text);
            return json.RootElement.ValueKind == JsonValueKind.Array
                && json.RootElement.EnumerateArray().All(item => item.ValueKind is JsonValueKind.String or JsonValueKind.Number)
                ? [.. json.RootElement.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? item.GetString()! : item.GetRawText())] : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private sealed class Parser(string text)
    {
        private readonly List<string> _items = [];
        private int _at;

        public string[] Parse()
        {
            var hasCommas = HasCommasOutsideOfQuotes();
            for (SkipBlanks(); _at < text.Length; SkipBlanks())
            {
                _items.Add(text[_at] is '\'' or '"' && EndOfQuote(_at) > 0 ? Quoted() : Bare(hasCommas));
                var end = _at;
                SkipBlanks();
                if (_at == text.Length)
                {
                    break;
                }

                if (hasCommas ? text[_at++] != ',' : _at == end)
                {
                    throw new FormatException($"the list does not tell its items apart near '{Excerpt.Of(text[Math.Max(0, end - 10)..])}'");
                }
            }

            return [.. _items];
        }

        private bool HasCommasOutsideOfQuotes()
        {
            for (var at = 0; at < text.Length; at++)
            {
                if (text[at] is '\'' or '"' && (at == 0 || text[at - 1] is ' ' or ',' or '\n' or '\t') && EndOfQuote(at) is > 0 and var end)
                {
                    at = end;
                }
                else if (text[at] == ',')
                {
                    return true;
                }
            }

            return false;
        }

        private void SkipBlanks()
        {
            while (_at < text.Length && char.IsWhiteSpace(text[_at]))
            {
                _at++;
            }
        }

        /// <summary>Where a quoted item ends: its own quote with a separator or the end behind it. 0 where it does not.</summary>
        private int EndOfQuote(int start)
        {
            for (var at = start + 1; at < text.Length; at++)
            {
                if (text[at] == '\\')
                {
                    at++;
                }
                else if (text[at] == text[start])
                {
                    return at + 1 == text.Length || text[at + 1] == ',' || char.IsWhiteSpace(text[at + 1]) ? at : 0;
                }
            }

            return 0;
        }

        private string Quoted()
        {
            var end = EndOfQuote(_at);
            var item = new StringBuilder(end - _at);
            for (_at++; _at < end; _at++)
            {
                if (text[_at] == '\\')
                {
                    Unescape(item);
                }
                else
                {
                    item.Append(text[_at]);
                }
            }

            _at = end + 1;
            return item.ToString();
        }

        // Python's escapes; DuckDB has the quote and the backslash alone.
        private void Unescape(StringBuilder item)
        {
            var escape = text[++_at];
            var digits = escape switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0 && _at + digits < text.Length
                && int.TryParse(text.AsSpan(_at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && Rune.IsValid(code))
            {
                item.Append(new Rune(code).ToString());
                _at += digits;
                return;
            }

            item.Append(escape switch { 'n' => '\n', 't' => '\t', 'r' => '\r', _ => escape });
        }

        private string Bare(bool hasCommas)
        {
            var start = _at;
            while (_at < text.Length && !(hasCommas ? text[_at] == ',' : char.IsWhiteSpace(text[_at])))
            {
                _at++;
            }

            var item = text[start.._at].Trim();
            return item is "..." && !hasCommas ? throw new FormatException("numpy left out the middle of this list (…); write lists as JSON")
                : item is "None" or "nan" or "NULL" or "NaN" ? throw new FormatException($"the list holds {item} where a word or tag belongs")
                : item.Length > 0 || hasCommas ? item : throw new FormatException("the list has an empty item");
        }
    }
}
