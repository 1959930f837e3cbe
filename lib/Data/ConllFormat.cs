using System.Text;

namespace NotebookLib.Data;

/// <summary>
/// CoNLL and CoNLL-U: a word a line, its tag in a column, blank lines between sentences. Columns are separated by tabs when the line has one, else by blanks.
/// </summary>
internal sealed class ConllFormat(TagTable tags, ReaderOptions options, bool isUniversal)
{
    private readonly WordCache _cache = new();
    private readonly int _wordColumn = options.WordColumn ?? (isUniversal ? 1 : 0);
    private readonly List<string> _words = [];
    private readonly List<int> _tags = [];
    private readonly List<Range> _columns = [];
    private int _wordLines;

    public IEnumerable<ParsedRow> Read(LineReader lines)
    {
        var (start, isWrong) = (0L, false);
        while (lines.Read())
        {
            var problem = ParseLine(lines, out var kind);
            if (problem is not null)
            {
                isWrong = true;
                yield return ParsedRow.Wrong(lines.Line, problem);
            }
            else if (kind == LineKind.Blank)
            {
                if (Finish(start, isWrong) is { } row)
                {
                    yield return row;
                }

                isWrong = false;
            }
            else if (kind == LineKind.Word && _words.Count == 1)
            {
                start = lines.Line;
            }
        }

        if (Finish(start, isWrong) is { } last)
        {
            yield return last;
        }
    }

    private enum LineKind
    {
        Blank,
        Comment,
        Word,
    }

    private ParsedRow? Finish(long start, bool isWrong)
    {
        // CoNLL-2003 marks documents by a sentence of this one word.
        var isSentence = !isWrong && _words.Count > 0 && !(_words.Count == 1 && _words[0] == "-DOCSTART-");
        var row = isSentence ? new ParsedRow(start, new Sentence(_words.ToArray(), _tags.ToArray()), null, null) : (ParsedRow?)null;
        _words.Clear();
        _tags.Clear();
        _wordLines = 0;
        return row;
    }

    /// <returns>What is wrong with the line, or null.</returns>
    private string? ParseLine(LineReader lines, out LineKind kind)
    {
        kind = LineKind.Word;
        if (lines.IsTooLong)
        {
            return $"the line is longer than {options.MaxLineBytes} bytes; raise MaxLineBytes if that is right.";
        }

        string line;
        try
        {
            line = lines.Text();
        }
        catch (DecoderFallbackException)
        {
            return "the line is not valid UTF-8.";
        }

        kind = KindOf(line);
        return kind == LineKind.Word ? AddWord(line) : null;
    }

    private LineKind KindOf(ReadOnlySpan<char> line)
    {
        SplitColumns(line);
        if (_columns.TrueForAll(column => column.Start.Equals(column.End)) || line.IndexOfAnyExcept(" \t") < 0)
        {
            return LineKind.Blank;
        }

        return IsComment(line) || IsRangeOrEmptyNode(line[_columns[0]]) ? LineKind.Comment : LineKind.Word;
    }

    /// <summary>In CoNLL-U a # begins a comment; elsewhere it may as well begin a word (#hashtag), and then a tag stands at the line's end.</summary>
    private bool IsComment(ReadOnlySpan<char> line) =>
        line[0] == '#' && (isUniversal || (!line.Contains('\t') && (_columns.Count < 2 || !TagTable.LooksLikeTag(line[_columns[^1]]))));

    /// <summary>CoNLL-U's 3-4 (a contraction, whose words follow) and 5.1 (a word that is not in the text).</summary>
    private bool IsRangeOrEmptyNode(ReadOnlySpan<char> number) =>
        isUniversal && _wordColumn != 0 && number.Length > 2 && char.IsAsciiDigit(number[0]) && number.IndexOfAny('-', '.') > 0;

    private string? AddWord(ReadOnlySpan<char> line)
    {
        var (word, tag) = (Resolve(_wordColumn), Resolve(options.TagColumn));
        if (word is null || tag is null || word.Equals(tag))
        {
            return Invariant($"{_columns.Count} {(_columns.Count == 1 ? "column" : "columns")}; expected a word in column {_wordColumn} and a tag in column {options.TagColumn}.");
        }

        if (++_wordLines > options.MaxWordsPerSentence)
        {
            return _wordLines > options.MaxWordsPerSentence + 1 ? null
                : $"more than {options.MaxWordsPerSentence} words in a sentence; raise MaxWordsPerSentence if that is right.";
        }

        var problem = tags.TryMap(_cache.Get(line[tag.Value]), out var mapped);
        if (problem is null)
        {
            _words.Add(_cache.Get(line[word.Value]));
            _tags.Add(mapped);
        }

        return problem;
    }

    private Range? Resolve(int column)
    {
        var index = column < 0 ? _columns.Count + column : column;
        return index >= 0 && index < _columns.Count ? _columns[index] : null;
    }

    private void SplitColumns(ReadOnlySpan<char> line)
    {
        _columns.Clear();
        var byTabs = line.Contains('\t');
        foreach (var column in line.Split(byTabs ? '\t' : ' '))
        {
            if (byTabs || !column.Start.Equals(column.End))
            {
                _columns.Add(column);
            }
        }
    }
}
