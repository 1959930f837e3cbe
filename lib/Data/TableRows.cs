using System.Globalization;

namespace NotebookLib.Data;

/// <summary>Sentences out of a table that has a word a row.</summary>
internal sealed class TableRows(Table table, ColumnRoles roles, ReaderOptions options)
{
    private readonly List<string> _words = [];
    private readonly List<string> _tags = [];
    private readonly List<long> _lines = [];
    private string _sentence = "";
    private int _number = -1;
    private int _rowCount;
    private bool _isWrong;

    public IEnumerable<RawRow> Read()
    {
        foreach (var row in table.Rows())
        {
            if (row.Problem is null && (row.Cells.Length == 0 || row.IsDocumentMark || BeginsSentence(row.Cells)) && Finish() is { } sentence)
            {
                yield return sentence;
            }

            var problem = row.Problem ?? (row.Cells.Length == 0 || row.IsDocumentMark || IsNoWord(row.Cells) ? null : Add(row));
            if (problem is not null)
            {
                _isWrong = true;
                yield return RawRow.Wrong(row.Line, problem);
            }
        }

        if (Finish() is { } last)
        {
            yield return last;
        }
    }

    private bool BeginsSentence(string[] cells)
    {
        if (roles.Sentence >= 0 && roles.Sentence < cells.Length && cells[roles.Sentence] is { Length: > 0 } sentence && sentence != _sentence)
        {
            _sentence = sentence;
            return true;
        }

        // Numbers that begin again, where a file has no blank lines.
        var isNumber = int.TryParse(roles.Number >= 0 ? cells[roles.Number] : "", NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        var beginsAgain = isNumber && number <= _number && _words.Count > 0;
        _number = isNumber ? number : _number;
        return beginsAgain;
    }

    private bool IsNoWord(string[] cells) => roles.Number >= 0 || roles.MiscKey is not null
        ? table.HasComments && (cells[0].StartsWith('#') || ColumnRoles.IsRangeOrEmptyNode(cells[0]))
        : table.HasComments && cells[0].StartsWith('#') && (cells.Length != roles.Width || ColumnRoles.IsNamedComment(cells) || !roles.IsTag(cells[roles.Tag]));

    private string? Add(TableRow row)
    {
        var cells = row.Cells;
        if (cells.Length != roles.Width && !(cells.Length > roles.Width && cells.AsSpan(roles.Width).IndexOfAnyExcept("") < 0))
        {
            return Invariant($"{cells.Length} {(cells.Length == 1 ? "column" : "columns")}; expected {roles.Width}, as on the file's other lines.");
        }

        if (++_rowCount > options.MaxWordsPerSentence)
        {
            return _rowCount > options.MaxWordsPerSentence + 1
                ? null : $"more than {options.MaxWordsPerSentence} words in a sentence; raise MaxWordsPerSentence if that is right.";
        }

        _lines.Add(row.Line);
        _words.Add(cells[roles.Word]);
        _tags.Add(roles.MiscKey is { } key ? InMisc(cells[roles.Tag], key) : cells[roles.Tag]);
        return null;
    }

    private static string InMisc(string cell, string key)
    {
        foreach (var pair in cell.Split('|'))
        {
            if (pair.Length > key.Length && pair[key.Length] == '=' && pair.StartsWith(key, StringComparison.OrdinalIgnoreCase))
            {
                return pair[(key.Length + 1)..];
            }
        }

        return "O";
    }

    private RawRow? Finish()
    {
        var row = !_isWrong && _words.Count > 0 ? new RawRow(_lines[0], [.. _words], [.. _tags], null, null) { WordLines = [.. _lines] } : (RawRow?)null;
        _lines.Clear();
        _words.Clear();
        _tags.Clear();
        (_rowCount, _isWrong) = (0, false);
        return row;
    }
}
