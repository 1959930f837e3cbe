using System.Text.RegularExpressions;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>Which column of a table is what, found by looking at all of it.</summary>
/// <param name="Width">How many columns rows have.</param>
/// <param name="Word">The word's column.</param>
/// <param name="Tag">The tag's column.</param>
/// <param name="MiscKey">The key of the tag within its column, where that is CoNLL-U's MISC.</param>
/// <param name="Sentence">The column that tells sentences apart, or −1 where blank lines do.</param>
/// <param name="Number">The column that numbers the words of a sentence, or −1.</param>
internal sealed partial record ColumnRoles(int Width, int Word, int Tag, string? MiscKey, int Sentence, int Number)
{
    private const int ConllUColumns = 10;

    /// <summary>The columns, for people.</summary>
    public required string Description { get; init; }

    /// <summary>Whether a cell looks like those of the tag column: a line that begins with # is a word where its tag does.</summary>
    public required Func<string, bool> IsTag { get; init; }

    /// <summary>Finds the roles.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="table">Its rows.</param>
    /// <param name="labels">The types that are known.</param>
    /// <param name="options">Columns that are given.</param>
    /// <exception cref="DataFormatException">No column, or more than one, could be the words or the tags; the message lists them.</exception>
    public static ColumnRoles Find(string path, Table table, LabelSet labels, ReaderOptions options) => new Finder(path, table, labels, options).Find();

    /// <summary>A contraction (3-4) or a word that is not in the text (5.1), in CoNLL-U.</summary>
    public static bool IsRangeOrEmptyNode(string number) => RangePattern().IsMatch(number);

    /// <summary>A comment that says what it is: # sent_id = 7.</summary>
    public static bool IsNamedComment(string[] cells) => cells is ["#", _, "=", ..] || (cells.Length > 0 && NamedCommentPattern().IsMatch(cells[0]));

    [GeneratedRegex(@"^[0-9]+[-.][0-9]+$")]
    private static partial Regex RangePattern();

    [GeneratedRegex(@"^#\s*(?:[A-Za-z_.]+\s*=|newdoc\b|newpar\b|begin document\b|end document\b)")]
    private static partial Regex NamedCommentPattern();

    private sealed class Finder(string path, Table table, LabelSet labels, ReaderOptions options)
    {
        private List<ColumnProfile> _columns = [];
        private Dictionary<string, ColumnProfile> _misc = [];
        private int _number = -1;
        private bool _hasEnds;

        public ColumnRoles Find()
        {
            _columns = Profiles(out var firstLine);
            if (_columns.Count < 2)
            {
                throw Fault(firstLine, _columns.Count == 0
                    ? "holds no sentence." : "1 column; expected a word and its tag, separated by a tab or blanks, on each line.");
            }

            if (table.Header is { } header && header.Count != _columns.Count)
            {
                throw Fault(firstLine, $"the header names {header.Count} columns ({FieldNames.Listed(header)}), most rows have {_columns.Count}.");
            }

            // Of two columns none numbers the words: one is the words.
            _number = table.Header is null && _columns.Count > 2 && _columns[0].IsRunningNumber ? 0 : -1;
            var sentence = SentenceColumn();
            var (tag, key) = TagColumn(sentence);
            var word = WordColumn(tag, sentence);
            var values = _columns[tag].Values;
            var names = TagNames.Of([.. values.Where(value => !TagNames.IsOutside(value.Key))]);
            return new(_columns.Count, word, tag, key, sentence, _number)
            {
                Description = $"word {NameOf(word)}, tag "
                    + $"{NameOf(tag)}{(key is null ? "" : $" ({key}=)")}{(sentence < 0 ? "" : $", sentence {NameOf(sentence)}")} of {_columns.Count}",
                IsTag = cell => TagNames.IsOutside(cell) || values.ContainsKey(cell) || (names.HasLetters && names.TrySplit(cell, out _, out _)),
            };
        }

        /// <summary>Looks at all rows of the most frequent width.</summary>
        private List<ColumnProfile> Profiles(out long firstLine)
        {
            var widths = new Dictionary<int, (List<ColumnProfile> Columns, long Rows, long FirstLine)>();
            var unsure = new Dictionary<int, (List<ColumnProfile> Columns, long Rows, long FirstLine)>();
            var (isFirst, misc) = (true, new Dictionary<string, ColumnProfile>(StringComparer.OrdinalIgnoreCase));
            foreach (var row in table.Rows())
            {
                if (row.Problem is not null || row.Cells.Length == 0 || row.IsDocumentMark)
                {
                    isFirst = true;
                    _hasEnds |= widths.Count > 0;
                    continue;
                }

                if (table.HasComments && IsNamedComment(row.Cells))
                {
                    continue;
                }

                // What begins with # may be a comment or a word, 1-2 a contraction or a score: looked at only where nothing else is there.
                var place = table.HasComments && (row.Cells[0].StartsWith('#') || IsRangeOrEmptyNode(row.Cells[0])) ? unsure : widths;
                var (columns, rows, line) = place.TryGetValue(row.Cells.Length, out var known)
                    ? known : ([.. row.Cells.Select(_ => new ColumnProfile())], 0, row.Line);
                place[row.Cells.Length] = (columns, rows + 1, line);
                for (var column = 0; column < row.Cells.Length; column++)
                {
                    columns[column].Add(row.Cells[column], isFirst);
                }

                if (row.Cells.Length == ConllUColumns)
                {
                    AddMisc(misc, row.Cells[^1], isFirst);
                }

                isFirst = false;
            }

            var most = (widths.Count > 0 ? widths : unsure).Values.OrderByDescending(width => width.Rows).FirstOrDefault();
            (firstLine, _misc) = (most.FirstLine, misc);
            return most.Columns ?? [];
        }

        private static void AddMisc(Dictionary<string, ColumnProfile> misc, string cell, bool isFirst)
        {
            foreach (var pair in cell.Split('|'))
            {
                var sign = pair.IndexOf('=', StringComparison.Ordinal);
                if (sign > 0 && (misc.ContainsKey(pair[..sign]) || misc.Count < 100))
                {
                    misc.TryAdd(pair[..sign], new ColumnProfile());
                    misc[pair[..sign]].Add(pair[(sign + 1)..], isFirst);
                }
            }
        }

        private int SentenceColumn()
        {
            // A column that is called id, but that is another in each row, numbers the rows.
            var column = table.Header is not null && FieldNames.First(FieldNames.Sentence, table.Header.Where(name => !IsNamed(name))) is { } name
                ? IndexOf(table.Header, name) : -1;
            var isOfRows = column >= 0 && column < _columns.Count && _columns[column].Values.Values.All(count => count == 1)
                && FieldNames.First(["id", "row_id"], [table.Header![column]]) is not null;
            if (!_hasEnds && (column < 0 || isOfRows) && GroupColumn() is >= 0 and var group)
            {
                return group;
            }

            if (!table.HasComments && !_hasEnds && (column < 0 || isOfRows))
            {
                throw Fault(0, $"nothing tells where a sentence ends: expected a column such as sentence_id, or an empty row behind each "
                    + $"sentence; found {Listed()}.");
            }

            return isOfRows ? -1 : column;
        }

        /// <summary>
        /// The column whose value goes on through rows that belong together, where nothing else tells sentences apart; without names only the first may be it.
        /// </summary>
        private int GroupColumn()
        {
            List<int> groups = [.. Enumerable.Range(0, table.Header is null ? 1 : _columns.Count)
                .Where(index => index != _number && _columns[index].IsGroup && index != options.TagColumn && index != options.WordColumn)];
            return _number < 0 && groups is [var only] ? only : -1;
        }

        private bool IsNamed(string name) => options.NamedFields is { } fields && (name == fields.Words || name == fields.Tags);

        private (int Tag, string? Key) TagColumn(int sentence)
        {
            if (options.TagColumn is { } given)
            {
                return (Resolve("tagColumn", given), null);
            }

            if (options.NamedFields is { } fields)
            {
                return table.Header is { } header && IndexOf(header, fields.Tags) is >= 0 and var index ? (index, null)
                    : MiscKey(key => key.Equals(fields.Tags, StringComparison.OrdinalIgnoreCase)) is { } named ? (ConllUColumns - 1, named)
                    : throw Fault(0, $"no column is called '{fields.Tags}'; found {Listed()}.");
            }

            if (MiscKey(key => FieldNames.MiscKeys.Contains(key, StringComparer.OrdinalIgnoreCase) && _misc[key].TagRank(labels) >= 1) is { } found)
            {
                return (ConllUColumns - 1, found);
            }

            return (table.Header is { } names && FieldNames.First(FieldNames.Tags, names) is { } name ? IndexOf(names, name) : LookForTags(sentence), null);
        }

        private string? MiscKey(Func<string, bool> isWanted) => _columns.Count == ConllUColumns ? _misc.Keys.FirstOrDefault(isWanted) : null;

        private int LookForTags(int sentence)
        {
            var ranks = _columns.Select((column, index) => index == _number || index == sentence || index == options.WordColumn ? 0 : column.TagRank(labels))
                .ToList();
            List<int> tags = [.. Enumerable.Range(0, ranks.Count).Where(index => ranks[index] > 0)];
            List<int> entities = [.. tags.Where(index => !_columns[index].HoldsChunks(labels))];
            tags = entities.Count > 0 ? entities : tags;
            var best = tags.Count > 0 ? tags.Max(index => ranks[index]) : 0;
            List<int> candidates = [.. tags.Where(index => ranks[index] == best)];
            return candidates.Count switch
            {
                1 => candidates[0],
                0 => throw Fault(0, $"no column holds tags of entities (B-PER, I-PER, O or the like); found {Listed()}. Name the column by tagColumn."),
                _ when best == 1 => candidates[^1],
                _ => throw Fault(0, $"{candidates.Count} columns hold tags: {string.Join("; ", candidates.Select(Described))}. "
                    + $"Which of them is it? Say tagColumn={string.Join(" or tagColumn=", candidates)}"
                    + $"{(_number == 0 && candidates is [2, 3] ? " (GermEval's form: outer entities first, inner ones behind)" : "")}."),
            };
        }

        private int WordColumn(int tag, int sentence)
        {
            if (options.WordColumn is { } given)
            {
                var index = Resolve("wordColumn", given);
                return index != tag ? index : throw Fault(0, $"the word's and the tag's column are both {tag}; expected two; found {Listed()}.");
            }

            if (table.Header is { } header
                && (options.NamedFields?.Words ?? FieldNames.First(FieldNames.Words, header.Where((_, index) => index != tag && index != sentence)))
                is { } name)
            {
                return IndexOf(header, name) is >= 0 and var named ? named : throw Fault(0, $"no column is called '{name}'; found {Listed()}.");
            }

            List<int> candidates = [.. Enumerable.Range(0, _columns.Count).Where(index => index != tag && index != sentence && index != _number)];
            foreach (var isOther in (ReadOnlySpan<Func<int, bool>>)[index => _columns[index].IsInteger, index => _columns[index].IsIdentifier,
                index => _columns[index].IsConstantInSentences, index => _columns[index].TagRank(labels) == 3])
            {
                // Words may all be numbers, or all the same, as long as no other column could be them.
                List<int> rest = [.. candidates.Where(index => !isOther(index))];
                candidates = rest.Count > 0 ? rest : candidates;
            }

            if (candidates.Count == 0)
            {
                throw Fault(0, $"no column is left for the words beside the tags in {NameOf(tag)}; found {Listed()}.");
            }

            // The first of them, as in all of CoNLL's kin, but not a part of speech in front of the word.
            var richest = candidates.Max(index => _columns[index].Values.Count);
            return candidates.Find(index => 3 * _columns[index].Values.Count >= 2 * richest);
        }

        private int Resolve(string parameter, int column)
        {
            var index = column < 0 ? _columns.Count + column : column;
            return index >= 0 && index < _columns.Count
                ? index : throw Fault(0, Invariant($"{parameter} is {column}, but rows have {_columns.Count} columns: {Listed()}."));
        }

        private static int IndexOf(IReadOnlyList<string> header, string name) => header.ToList().FindIndex(found => FieldNames.Same(found, name));

        private string NameOf(int column) => table.Header is { } header && column < header.Count
            ? Invariant($"column {column} '{Excerpt.Of(header[column])}'") : Invariant($"column {column}");

        private string Described(int column) => $"{NameOf(column)} ({_columns[column].Examples})";

        private string Listed() => string.Join("; ", Enumerable.Range(0, Math.Min(_columns.Count, 12)).Select(Described));

        private DataFormatException Fault(long line, string problem) => new([new(path, line, problem)], 1);
    }
}
