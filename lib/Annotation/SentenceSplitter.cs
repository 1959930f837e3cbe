using System.Text;
using NotebookLib.Tokenization;

namespace NotebookLib.Annotation;

/// <summary>
/// Finds sentences in a document whose lines break anywhere: a sentence ends behind . ! ? … and what closes with them, before white space and something that
/// may begin one; not behind an initial or a usual abbreviation; and at an empty line. Takes a document in parts, so that its size does not matter.
/// </summary>
internal sealed class SentenceSplitter
{
    /// <summary>What has no end by then is cut at white space.</summary>
    private const int Longest = 20_000;

    // English ones before which a name or a number usually stands, or behind which one does.
    private static readonly HashSet<string> Abbreviations = new(StringComparer.OrdinalIgnoreCase)
    {
        "mr", "mrs", "ms", "dr", "prof", "rev", "fr", "st", "sr", "jr", "gen", "col", "lt", "sgt", "capt", "cmdr", "adm", "maj", "hon", "sen", "rep", "gov",
        "pres", "no", "nos", "vol", "vols", "fig", "figs",
        "ch", "sec", "pp", "p", "ed", "eds", "approx", "ca", "cf", "e.g", "i.e", "vs", "viz", "al", "etc", "inc", "ltd", "co", "corp", "bros", "dept", "univ",
        "jan", "feb", "mar", "apr", "jun", "jul", "aug",
        "sep", "sept", "oct", "nov", "dec", "mt", "ft", "u.s", "u.k", "u.n", "a.m", "p.m", "b.c", "a.d",
    };

    private readonly StringBuilder _pending = new();
    private readonly List<(int At, long Line)> _lines = [];
    private long _offset;
    private int _counted;
    private int _line;

    /// <summary>A sentence.</summary>
    /// <param name="Text">Without white space around it.</param>
    /// <param name="Line">Line on which it begins.</param>
    /// <param name="Offset">Characters of the document before it, a surrogate pair being one and each line end one.</param>
    public readonly record struct Found(string Text, long Line, long Offset);

    /// <summary>Takes a line.</summary>
    /// <param name="line">Without its end.</param>
    /// <param name="number">Counted from 1.</param>
    /// <returns>The sentences that are known to have ended.</returns>
    public List<Found> Add(string line, long number)
    {
        var found = string.IsNullOrWhiteSpace(line) ? Finish() : [];
        _lines.Add((_pending.Length, number));
        _pending.Append(line).Append('\n');
        Take(found, isEnd: false);
        return found;
    }

    /// <summary>The document, or a paragraph, has ended.</summary>
    public List<Found> Finish()
    {
        var found = new List<Found>();
        Take(found, isEnd: true);
        return found;
    }

    private void Take(List<Found> found, bool isEnd)
    {
        var text = _pending.ToString();
        var start = 0;
        for (var at = 0; at < text.Length; at++)
        {
            if (!IsMark(text[at]))
            {
                continue;
            }

            var behind = Behind(text, at);
            if (EndsAt(text, start, at, behind) is { } end)
            {
                Add(found, text, start, end);
                start = end;
            }

            at = Math.Max(behind, start) - 1;
        }

        while (!isEnd && text.Length - start > Longest)
        {
            var blank = text.LastIndexOfAny([' ', '\n', '\t'], start + Longest, Longest);
            var end = blank > start ? blank + 1 : start + Longest - (char.IsHighSurrogate(text[start + Longest - 1]) ? 1 : 0);
            Add(found, text, start, end);
            start = end;
        }

        if (isEnd)
        {
            Add(found, text, start, text.Length);
            start = text.Length;
        }

        Forget(text, start);
    }

    private static bool IsMark(char letter) => letter is '.' or '!' or '?' or '…' or '。' or '！' or '？';

    /// <summary>Where the next sentence begins when one ends with the marks from a place on; null when it does not, or what follows is not known yet.</summary>
    private static int? EndsAt(string text, int start, int at, int behind)
    {
        if (text[at] is '。' or '！' or '？')
        {
            return behind;
        }

        var next = behind;
        while (next < text.Length && char.IsWhiteSpace(text[next]))
        {
            next++;
        }

        return next == text.Length || next == behind || !MayBegin(text, next) || (text[at] == '.' && behind == at + 1 && IsAbbreviation(text, start, at))
            ? null : next;
    }

    /// <summary>The place behind further marks and what closes.</summary>
    private static int Behind(string text, int at)
    {
        at++;
        while (at < text.Length && text[at] is '.' or '!' or '?' or '…' or '"' or '\'' or '”' or '’' or '»' or ')' or ']' or '」' or '』')
        {
            at++;
        }

        return at;
    }

    private static bool MayBegin(string text, int at) => !char.IsLower(text[at]) && text[at] is not (',' or ';' or ':' or ')' or ']' or '-' or '–' or '—');

    private static bool IsAbbreviation(string text, int start, int at)
    {
        var from = at;
        while (from > start && !char.IsWhiteSpace(text[from - 1]) && text[from - 1] is not ('(' or '"' or '“' or '['))
        {
            from--;
        }

        var word = text[from..at];
        return (word.Length == 1 && char.IsUpper(word[0])) || Abbreviations.Contains(word)
            || (word.Length > 1 && word[^2] == '.' && char.IsUpper(word[^1]));
    }

    private void Add(List<Found> found, string text, int start, int end)
    {
        while (start < end && char.IsWhiteSpace(text[start]))
        {
            start++;
        }

        while (end > start && char.IsWhiteSpace(text[end - 1]))
        {
            end--;
        }

        if (end > start)
        {
            while (_line + 1 < _lines.Count && _lines[_line + 1].At <= start)
            {
                _line++;
            }

            Count(text, start);
            found.Add(new(text[start..end], _lines[_line].Line, _offset));
        }
    }

    private void Count(string text, int to)
    {
        _offset += CodePoints.Count(text.AsSpan(_counted, to - _counted));
        _counted = to;
    }

    private void Forget(string text, int start)
    {
        Count(text, start);
        _pending.Remove(0, start);
        (_counted, _line) = (0, 0);
        var last = _lines.FindLastIndex(line => line.At <= start);
        if (last > 0)
        {
            _lines.RemoveRange(0, last);
        }

        for (var i = 0; i < _lines.Count; i++)
        {
            _lines[i] = (Math.Max(0, _lines[i].At - start), _lines[i].Line);
        }
    }
}
