using System.Globalization;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>
/// How the tags of a file are read, decided over all of them: what their numbers stand for, how their names are written, by which scheme they mark entities,
/// and which label of the wanted set each becomes. What comes out is IOB2.
/// </summary>
internal sealed class TagReading
{
    private readonly TagInventory _tags;
    private readonly LabelSet _source;
    private readonly ReaderOptions _options;
    private readonly IReadOnlyList<int> _map;
    private readonly List<(long Line, string Problem)> _faults = [];
    private readonly List<string> _notices = [];
    private readonly TagCode[] _codes;
    private readonly SchemeReading? _scheme;

    private TagReading(TagInventory tags, LabelSet source, IReadOnlyList<string>? names, ReaderOptions options)
    {
        (_tags, _source, _options, _map) = (tags, source, options, source.MapTo(options.Target ?? source));
        _codes = new TagCode[tags.Tags.Count];
        if (tags.IsFull)
        {
            Fault(tags.Tags[0].FirstLine,
                $"holds more than {tags.Tags.Count} different tags ({Examples(tags.Tags.Select(tag => tag.Name))}); "
                + "is that the field or column of the tags? Name it by tagColumn or fields.");
            return;
        }

        var resolved = Resolve(names);
        if (_faults.Count == 0)
        {
            ReadNames(resolved);
        }

        if (_faults.Count == 0)
        {
            _scheme = new(tags, _codes, options.Scheme, _faults, _notices);
        }
    }

    /// <summary>The scheme, for people.</summary>
    public string Scheme => _scheme?.Description ?? "";

    /// <summary>What the numbers stand for, for people; null where tags have names.</summary>
    public string? Numbering { get; private set; }

    /// <summary>What a reader should know: conversions, slips, types that are missing or that became O.</summary>
    public IReadOnlyList<string> Notices => _notices;

    /// <summary>What keeps the tags from being read, each cause once, at its first line.</summary>
    public IReadOnlyList<(long Line, string Problem)> Faults => _faults;

    /// <summary>Decides.</summary>
    /// <param name="tags">All tags of the file.</param>
    /// <param name="source">The types that are known; also what numbers stand for where the file does not say.</param>
    /// <param name="names">What the file says its numbers stand for, or null.</param>
    /// <param name="options">How to read.</param>
    public static TagReading Of(TagInventory tags, LabelSet source, IReadOnlyList<string>? names, ReaderOptions options) => new(tags, source, names, options);

    /// <summary>The labels of one sentence, as ids of the wanted set.</summary>
    public int[] Convert(string[] tags)
    {
        var labels = new int[tags.Length];
        var before = default(TagCode);
        for (var i = 0; i < tags.Length; i++)
        {
            var code = _codes[_tags.Find(tags[i]) ?? throw new InvalidDataException("the file changed while it was read")];
            var continues = _scheme!.IsContinuing(before, code);
            labels[i] = code.TypeText is null || code.Type < 0 ? 0 : _map[(2 * code.Type) + (continues ? 2 : 1)];
            before = code;
        }

        return labels;
    }

    /// <summary>Turns numbers into the names that they stand for.</summary>
    private List<string> Resolve(IReadOnlyList<string>? names)
    {
        var resolved = _tags.Tags.Select(tag => tag.Name.Trim()).ToList();
        var numbers = _tags.Tags.Select((tag, index) =>
            (tag, index, IsNumber: long.TryParse(tag.Name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number), Number: number))
            .Where(entry => entry.IsNumber).ToList();
        if (numbers.Count == 0)
        {
            return resolved;
        }

        var (least, most) = (numbers.Min(entry => entry.Number), numbers.Max(entry => entry.Number));
        IReadOnlyList<string>? known = names ?? (!_options.NumbersAreLabels ? null : _options.Scheme == TagScheme.Io ? ["O", .. _source.Types] : _source.Names);
        if (known is null)
        {
            Fault(numbers[0].tag.FirstLine,
                Invariant($"the tags are numbers ({least} to {most}) that nothing names, neither in the file nor beside it (dataset_info.json); ")
                + "say which types they are, in their order: types=PER,ORG,LOC means 0 = O, 1 = B-PER, 2 = I-PER, 3 = B-ORG, … "
                + $"If the file is MultiNERD's: types={string.Join(',', LabelSet.SystemA.Types)}.");
            return resolved;
        }

        if (numbers.Find(entry => entry.Number < 0 || entry.Number >= known.Count) is { IsNumber: true } wrong)
        {
            Fault(wrong.tag.FirstLine, Invariant($"tag id {wrong.Number} is out of range; expected 0 to {known.Count - 1} ({Examples(known, 8)})")
                + (wrong.Number == -100 ? "; −100 marks the pieces of a tokenizer: bring the words instead." : names is null
                    ? "; does types name them all, in the order of the numbers?" : "."));
            return resolved;
        }

        foreach (var (_, index, _, number) in numbers)
        {
            resolved[index] = known[(int)number].Trim();
        }

        Numbering = $"{(names is null ? "by the types given" : "by names in the file or beside it")}: "
            + $"{Examples(known.Select((name, id) => Invariant($"{id} {name}")), 7)}";
        return resolved;
    }

    private void ReadNames(List<string> resolved)
    {
        if (resolved.FindIndex(name => name.Length == 0) is >= 0 and var empty)
        {
            Fault(_tags.Tags[empty].FirstLine,
                Invariant($"{Times(_tags.Tags[empty].Count, "tag is empty", "tags are empty")}; expected O where a word belongs to no entity."));
            return;
        }

        var named = Enumerable.Range(0, resolved.Count).Where(index => !TagNames.IsOutside(resolved[index])).ToList();
        var blanks = named.Where(index => TagNames.IsBlank(resolved[index]) && !_source.Types.Contains(resolved[index]) && named.Count > 1).ToList();
        named = [.. named.Except(blanks)];
        var names = TagNames.Of([.. named.Select(index => KeyValuePair.Create(resolved[index], _tags.Tags[index].Count))]);
        var areLettersAlone = TagNames.AreLettersAlone([.. named.Select(index => resolved[index])]);
        if (areLettersAlone && _source.Types.Count != 1)
        {
            Fault(_tags.Tags[named[0]].FirstLine,
                $"the tags ({Examples(named.Select(index => resolved[index]))}) are letters without a type; name the one type that they mark, "
                + "for instance types=ENTITY.");
            return;
        }

        var unfit = new List<int>();
        foreach (var index in named)
        {
            if (areLettersAlone)
            {
                _codes[index] = new(char.ToUpperInvariant(resolved[index][0]), _source.Types[0], 0);
            }
            else if (names.TrySplit(resolved[index], out var letter, out var type))
            {
                _codes[index] = new(letter, type, -1);
            }
            else
            {
                unfit.Add(index);
            }
        }

        FaultUnfit(unfit, names, resolved);
        NoteSpelling(names, blanks, resolved);
        if (!areLettersAlone)
        {
            MapTypes(!names.HasLetters);
        }
    }

    private void FaultUnfit(List<int> unfit, TagNames names, List<string> resolved)
    {
        if (unfit.Count > 0)
        {
            var first = _tags.Tags[unfit[0]];
            Fault(first.FirstLine, Invariant($"'{Excerpt.Of(resolved[unfit[0]])}' is no IOB2 tag, where the file's others look like {names.Example}")
                + Invariant($" ({Times(unfit.Sum(index => _tags.Tags[index].Count), "such tag", "such tags")}: ")
                    + Invariant($"{Examples(unfit.Select(index => resolved[index]))}); expected O, or B- or I- and one of {string.Join(' ', _source.Types)}."));
        }
    }

    private void NoteSpelling(TagNames names, List<int> blanks, List<string> resolved)
    {
        if (blanks.Count > 0)
        {
            _notices.Add(Invariant($"{Times(blanks.Sum(index => _tags.Tags[index].Count), "tag", "tags")} ")
                + Invariant($"{Examples(blanks.Select(index => $"'{resolved[index]}'"))} read as O"));
        }

        if (names.HasLetters && names != new TagNames('-', false))
        {
            _notices.Add($"tags are written {names.Example}; read as B-PER");
        }
    }

    /// <summary>Finds the files' types among the known ones, exactly or but for case.</summary>
    private void MapTypes(bool areBare)
    {
        var types = _codes.Select(code => code.TypeText).OfType<string>().Distinct(StringComparer.Ordinal).ToList();
        var places = types.ToDictionary(type => type, type => PlaceOf(type, types), StringComparer.Ordinal);
        for (var index = 0; index < _codes.Length; index++)
        {
            _codes[index] = _codes[index] is { TypeText: { } type } code ? code with { Type = places[type] } : default;
        }

        var unknown = types.Where(type => places[type] < 0).ToList();
        if (unknown.Count > 0)
        {
            var listed = Examples(unknown.Select(type => Invariant($"{Excerpt.Of(type)} ({Times(CountOf(type), "tag", "tags")})")), 20);
            var known = string.Join(' ', _source.Types);
            if (_options.UnknownTypes == UnknownTypes.Error || (areBare && unknown.Count == types.Count))
            {
                var first = _tags.Tags[Array.FindIndex(_codes, code => code.TypeText is not null && code.Type < 0)];
                Fault(first.FirstLine, $"unknown tag '{Excerpt.Of(first.Name)}': the file has types that are not among {known}: {listed}. "
                    + $"Name the file's types: types={string.Join(',', types.Take(40))}; "
                    + "or read the others as O: otherTypes=outside (UnknownTypes.Outside).");
            }
            else
            {
                _notices.Add($"types that are not among {known} became O: {listed}");
            }
        }

        if (types.Exists(type => places[type] >= 0 && _source.Types[places[type]] != type))
        {
            _notices.Add($"types matched but for case: "
                + Examples(types.Where(type => places[type] >= 0 && _source.Types[places[type]] != type)
                    .Select(type => $"{type} is {_source.Types[places[type]]}")));
        }

        var missing = _source.Types.Where((_, place) => !places.ContainsValue(place)).ToList();
        if (missing.Count > 0 && types.Count > 0)
        {
            _notices.Add($"{(missing.Count == 1 ? "type that never occurs" : "types that never occur")}: {string.Join(' ', missing)}");
        }
    }

    private int PlaceOf(string type, List<string> types)
    {
        var exact = IndexOf(known => known == type);
        return exact >= 0 || types.Exists(other => other != type && other.Equals(type, StringComparison.OrdinalIgnoreCase)) ? exact
            : _source.Types.Count(known => known.Equals(type, StringComparison.OrdinalIgnoreCase)) == 1
            ? IndexOf(known => known.Equals(type, StringComparison.OrdinalIgnoreCase)) : -1;

        int IndexOf(Func<string, bool> isWanted)
        {
            for (var place = 0; place < _source.Types.Count; place++)
            {
                if (isWanted(_source.Types[place]))
                {
                    return place;
                }
            }

            return -1;
        }
    }

    private long CountOf(string type) => _codes.Select((code, index) => code.TypeText == type ? _tags.Tags[index].Count : 0).Sum();

    private void Fault(long line, string problem) => _faults.Add((line, problem));

    internal static string Times(long count, string one, string many) => Invariant($"{count} {(count == 1 ? one : many)}");

    private static string Examples(IEnumerable<string> names, int most = 5)
    {
        var all = names.ToList();
        return string.Join(", ", all.Take(most).Select(text => Excerpt.Of(text))) + (all.Count > most ? ", …" : "");
    }
}
