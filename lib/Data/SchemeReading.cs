using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>One tag: its letter ('\0' outside of entities), its type's text, and that type's place in the label set or −1.</summary>
internal readonly record struct TagCode(char Letter, string? TypeText, int Type);

/// <summary>By which scheme the tags of a file mark entities: as it was said, or as their letters and what stands beside what show.</summary>
internal sealed class SchemeReading
{
    // Share of entities that may begin otherwise than the scheme has it: slips of annotators, told but not asked about.
    private const double SlipShare = 0.05;

    private readonly TagInventory _tags;
    private readonly TagCode[] _codes;
    private readonly List<(long Line, string Problem)> _faults;
    private readonly List<string> _notices;
    private bool _joinsRuns;
    private bool _closes;

    /// <summary>Decides.</summary>
    /// <param name="tags">All tags of the file.</param>
    /// <param name="codes">What each says.</param>
    /// <param name="asked">The scheme that somebody named, or null.</param>
    /// <param name="faults">Takes what keeps the tags from being read.</param>
    /// <param name="notices">Takes what a reader should know.</param>
    public SchemeReading(TagInventory tags, TagCode[] codes, TagScheme? asked, List<(long Line, string Problem)> faults, List<string> notices)
    {
        (_tags, _codes, _faults, _notices) = (tags, codes, faults, notices);
        Decide(asked);
    }

    /// <summary>The scheme, for people.</summary>
    public string Description { get; private set; } = "IOB2";

    /// <summary>Whether a tag goes on with the entity of the one before it.</summary>
    public bool IsContinuing(TagCode before, TagCode code)
    {
        if (code.TypeText is null || code.Letter is 'B' or 'S' or 'U' or 'W')
        {
            return false;
        }

        var isSame = before.TypeText == code.TypeText;
        return _closes ? isSame && before.Letter is 'B' or 'I' or 'M' : !_joinsRuns || isSame;
    }

    private void Decide(TagScheme? asked)
    {
        var letters = new SortedSet<char>(_codes.Where(code => code.TypeText is not null).Select(code => code.Letter));
        var areBare = letters.SetEquals(['\0']);
        if (asked is { } given && LettersOf(given) is var allowed
            && letters.FirstOrDefault(letter => letter != '\0' && !allowed.Contains(letter, StringComparison.Ordinal)) is var foreign and not '\0')
        {
            var first = _tags.Tags[Array.FindIndex(_codes, code => code.Letter == foreign)];
            Fault(first.FirstLine, $"scheme is {NameOf(given)}, whose tags begin with {string.Join(' ', allowed.AsEnumerable())}, "
                + $"but the file has '{Excerpt.Of(first.Name)}'.");
        }
        else if (asked is { } chosen)
        {
            Apply(areBare ? TagScheme.Io : chosen, " (as given)");
        }
        else if (areBare)
        {
            Apply(TagScheme.Io, "");
            _notices.Add("tags have no B- and I-: each run of words of one type is read as one entity");
        }
        else if (letters.IsSubsetOf(['B', 'I']))
        {
            DecideBetweenIob();
        }
        else if (letters.Contains('L') || letters.Contains('U')
            ? letters.IsSubsetOf(['B', 'I', 'L', 'U']) : letters.Contains('M') || letters.Contains('W') ? letters.IsSubsetOf(['B', 'M', 'E', 'S', 'W']) : true)
        {
            Apply(letters.Contains('L') || letters.Contains('U')
                ? TagScheme.Bilou : letters.Contains('M') || letters.Contains('W') ? TagScheme.Bmes : TagScheme.Bioes, "");
        }
        else
        {
            Fault(_tags.Tags[0].FirstLine,
                $"the tags begin with {string.Join(' ', letters)}, which no one scheme has (IOB2, IOB1: B I; BIOES: B I E S; BILOU: B I L U; BMES: B M E S); "
                + "were files of several schemes joined?");
        }
    }

    private void DecideBetweenIob()
    {
        var (begin, inside, startLine) = EntityStarts();
        if (inside == 0)
        {
            Apply(TagScheme.Iob2, "");
        }
        else if (begin == 0)
        {
            Apply(TagScheme.Iob1, "");
        }
        else if (Math.Min(begin, inside) > SlipShare * (begin + inside))
        {
            Fault(startLine, Invariant($"B- begins an entity {TagReading.Times(begin, "time", "times")} and I- ")
                + Invariant($"{TagReading.Times(inside, "time", "times")} where nothing goes before: ")
                + "is this IOB2 with slips (an I- after O stays I-) "
                + "or IOB1 (it begins an entity)? Say it: scheme=IOB2 or scheme=IOB1. Tags that are numbers look so where types is not in their order, "
                    + "or where they have no B and I (scheme=IO).");
        }
        else
        {
            Apply(inside < begin ? TagScheme.Iob2 : TagScheme.Iob1, "");
        }
    }

    private void Apply(TagScheme scheme, string origin)
    {
        var (begin, inside, _) = EntityStarts();
        (_joinsRuns, _closes) = (scheme is TagScheme.Iob1 or TagScheme.Io, scheme is TagScheme.Bioes or TagScheme.Bilou or TagScheme.Bmes);
        Description = NameOf(scheme) + origin + (scheme == TagScheme.Iob2 ? "" : ", converted to IOB2");
        if (scheme == TagScheme.Iob2 && inside > 0)
        {
            _notices.Add(Invariant($"{TagReading.Times(inside, "I- tag continues", "I- tags continue")} nothing (of {begin + inside} entities); ")
                + "left as they are");
        }
        else if (scheme == TagScheme.Iob1 && inside > 0)
        {
            _notices.Add(Invariant($"IOB1: {TagReading.Times(inside, "entity begins", "entities begin")} with I-; converted to IOB2"));
        }
        else if (_closes)
        {
            NoteBreaks(scheme);
        }
    }

    private void NoteBreaks(TagScheme scheme)
    {
        var breaks = 0L;
        foreach (var ((before, tag), count) in _tags.Pairs)
        {
            var (left, code) = (before < 0 ? default : _codes[before], _codes[tag]);
            var isOpen = left.Letter is 'B' or 'I' or 'M';
            var goesOn = code.TypeText is not null && code.Letter is 'I' or 'M' or 'E' or 'L';
            breaks += goesOn != isOpen || (goesOn && left.TypeText != code.TypeText) ? count : 0;
        }

        _notices.Add($"{NameOf(scheme)} converted to IOB2");
        if (breaks > 0)
        {
            _notices.Add(Invariant($"{NameOf(scheme)} is broken at {TagReading.Times(breaks, "place", "places")} (an entity that does not end, ")
                + "or that goes on without a beginning); read by the letters as they stand");
        }
    }

    /// <summary>How often B- and I- stand where no entity of their type goes before.</summary>
    private (long Begin, long Inside, long FirstLine) EntityStarts()
    {
        var (begin, inside, line) = (0L, 0L, 0L);
        foreach (var ((before, tag), count) in _tags.Pairs)
        {
            var code = _codes[tag];
            if (code.TypeText is not null && (before < 0 ? null : _codes[before].TypeText) != code.TypeText)
            {
                (begin, inside) = code.Letter == 'B' ? (begin + count, inside) : (begin, inside + count);
                line = code.Letter == 'B' || (line > 0 && line < _tags.Tags[tag].FirstLine) ? line : _tags.Tags[tag].FirstLine;
            }
        }

        return (begin, inside, line);
    }

    private void Fault(long line, string problem) => _faults.Add((line, problem));

    private static string LettersOf(TagScheme scheme) => scheme switch
    {
        TagScheme.Iob2 or TagScheme.Iob1 => "BI",
        TagScheme.Io => "I",
        TagScheme.Bioes => "BIES",
        TagScheme.Bilou => "BILU",
        _ => "BMESIW",
    };

    private static string NameOf(TagScheme scheme) => scheme.ToString().ToUpperInvariant();
}
