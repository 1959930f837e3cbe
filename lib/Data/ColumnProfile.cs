using System.Globalization;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>What one column of a table holds, over all its rows: enough to tell words, tags and running numbers apart.</summary>
internal sealed class ColumnProfile
{
    private const int MostValues = 5000;
    private const int MostBareTypes = 100;
    private const double OutsideShare = 0.3;

    private readonly Dictionary<string, long> _values = new(StringComparer.Ordinal);
    private long _cells;
    private long _integers;
    private long _running;
    private long _changesWithin;
    private long _rowsWithin;
    private long _runs;
    private bool _falls;
    private string _last = "";

    /// <summary>Different values, the first 5,000 of them.</summary>
    public IReadOnlyDictionary<string, long> Values => _values;

    /// <summary>Numbers that begin anew with each sentence and rise by one.</summary>
    public bool IsRunningNumber => _cells > 0 && _integers == _cells && _running >= 0.9 * _cells;

    public bool IsInteger => _cells > 0 && _integers == _cells;

    /// <summary>The same value throughout each sentence: a name of the document, a blank.</summary>
    public bool IsConstantInSentences => _rowsWithin > 0 && _changesWithin == 0;

    public void Add(string value, bool isFirstOfSentence)
    {
        _cells++;
        if (_values.Count < MostValues || _values.ContainsKey(value))
        {
            System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_values, value, out _)++;
        }

        if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            _integers++;
            var isNext = int.TryParse(_last, NumberStyles.None, CultureInfo.InvariantCulture, out var before) && number == before + 1;
            _falls |= number < before;
            _running += isFirstOfSentence ? (number is 0 or 1 ? 1 : 0) : (isNext || number is 0 or 1 ? 1 : 0);
        }

        _runs += _cells == 1 || value != _last ? 1 : 0;
        _rowsWithin += isFirstOfSentence ? 0 : 1;
        _changesWithin += isFirstOfSentence || value == _last ? 0 : 1;
        _last = value;
    }

    /// <summary>Rows that belong together have the same value, digits in all, and no others have: the number of a sentence or document.</summary>
    public bool IsGroup => _runs > 1 && _runs < _cells && ((IsInteger && !_falls)
        || (_values.Count < MostValues && _runs == _values.Count && _values.Keys.All(value => value.AsSpan().ContainsAnyInRange('0', '9'))));

    /// <summary>Another value in each row, digits in all: names of rows rather than words.</summary>
    public bool IsIdentifier => _cells > 20 && _values.Count == _cells && _values.Keys.All(value => value.AsSpan().ContainsAnyInRange('0', '9'));

    /// <summary>
    /// How much the column looks like tags of entities: 3 for B-PER and the like, 2 for types alone beside O, 1 for nothing but O, 0 for none of it.
    /// </summary>
    public int TagRank(LabelSet labels)
    {
        var inside = _values.Where(value => !TagNames.IsOutside(value.Key) && !TagNames.IsBlank(value.Key) && value.Key.Length > 0).ToList();
        var hasOutside = _values.Keys.Any(value => TagNames.IsOutside(value));
        if (inside.Count == 0 || _values.Count >= MostValues)
        {
            return inside.Count == 0 && hasOutside ? 1 : 0;
        }

        if (TagNames.Of(inside).HasLetters || (hasOutside && TagNames.AreLettersAlone([.. inside.Select(value => value.Key)])))
        {
            return 3;
        }

        // A word may be O, and a part of speech too, but neither is as frequent as it is among tags.
        var insideCount = inside.Sum(value => value.Value);
        var known = inside.Where(value => labels.Types.Contains(value.Key, StringComparer.OrdinalIgnoreCase)).Sum(value => value.Value);
        return 2 * known >= insideCount || (hasOutside && !IsInteger && inside.Count <= MostBareTypes && _cells - insideCount >= OutsideShare * _cells) ? 2 : 0;
    }

    /// <summary>Chunks of CoNLL-2000 and CoNLL-2003, which look like entities, unless they are wanted.</summary>
    public bool HoldsChunks(LabelSet labels)
    {
        var names = TagNames.Of(_values);
        var types = _values.Keys.Select(value => names.HasLetters && names.TrySplit(value, out _, out var type) ? type : "").Where(type => type.Length > 0)
            .ToList();
        return types.Count > 0 && types.TrueForAll(FieldNames.Chunks.Contains) && !types.Exists(labels.Types.Contains);
    }

    public string Examples => string.Join(' ', _values.Keys.Take(4).Select(text => Excerpt.Of(text))) + (_values.Count > 4 ? " …" : "");
}
