namespace NotebookLib.Tokenization;

/// <summary>What becomes of a delimiter (huggingface/tokenizers, normalizer.rs, <c>SplitDelimiterBehavior</c>).</summary>
internal enum DelimiterBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>
/// One step of cutting a normalised text into the stretches that are searched for pieces (huggingface/tokenizers, tokenizers/src/pre_tokenizers, 02cc5359).
/// </summary>
/// <param name="split">A stretch → the stretches that it becomes, empty ones among them.</param>
internal sealed class PreTokenizer(Func<AlignedText, IEnumerable<AlignedText>> split)
{
    /// <summary>Cuts at every space and marks what follows with ▁, and every stretch begins with a mark: what DeBERTa and its kin do.</summary>
    public bool IsPlainMetaspace { get; private init; }

    /// <summary>Makes nothing of a word without white space, but perhaps a mark in front.</summary>
    public bool KeepsWords { get; private init; }

    /// <summary>Puts ▁ in front of every word that has none.</summary>
    public bool MarksWords { get; private init; }

    /// <summary>White space splits, and goes.</summary>
    public static PreTokenizer WhitespaceSplit { get; } =
        new(text => Cut(text, EachAlone(text, CharacterKinds.IsWhiteSpace), DelimiterBehavior.Removed)) { KeepsWords = true };

    /// <summary>Runs of word characters, and runs of others that are not white space.</summary>
    public static PreTokenizer Whitespace { get; } =
        new(text => Cut(text, Runs(text, rune => CharacterKinds.IsWhiteSpace(rune) ? 0 : CharacterKinds.IsWord(rune) ? 1 : 2), DelimiterBehavior.Removed));

    /// <summary>White space goes, punctuation stands alone.</summary>
    public static IReadOnlyList<PreTokenizer> Bert { get; } =
        [OfKind(CharacterKinds.IsWhiteSpace, DelimiterBehavior.Removed), OfKind(CharacterKinds.IsPunctuation, DelimiterBehavior.Isolated)];

    /// <summary>Cuts a stretch.</summary>
    public IEnumerable<AlignedText> Split(AlignedText text) => split(text);

    /// <summary>Cuts around characters of a kind.</summary>
    public static PreTokenizer OfKind(Func<int, bool> isDelimiter, DelimiterBehavior behavior) =>
        new(text => Cut(text, EachAlone(text, isDelimiter), behavior));

    /// <summary>Cuts around what a pattern finds, or does not find.</summary>
    public static PreTokenizer OfPattern(TextPattern pattern, DelimiterBehavior behavior, bool isInverted) => new(text =>
    {
        var stretches = pattern.Cut(text);
        return Cut(text, isInverted ? [.. stretches.Select(stretch => stretch with { IsMatch = !stretch.IsMatch })] : stretches, behavior);
    });

    /// <summary>Every so many characters.</summary>
    public static PreTokenizer FixedLength(int length) =>
        new(text =>
            Enumerable.Range(0, (text.Length + length - 1) / length).Select(part => text.Slice(part * length, Math.Min(text.Length, (part + 1) * length))));

    /// <summary>Turns spaces into a mark, puts one in front, and cuts before each.</summary>
    /// <param name="mark">Usually ▁.</param>
    /// <param name="prepends">Null: in front of the text's first stretch only.</param>
    /// <param name="splits">Whether to cut.</param>
    public static PreTokenizer Metaspace(int mark, bool? prepends, bool splits) => new(text =>
    {
        var marked = text.Select(rune => rune == ' ' ? mark : rune);
        var isFirst = text.Shift == 0;
        if ((prepends ?? isFirst) && (marked.Length == 0 || marked.Characters[0].Rune != mark))
        {
            marked = marked.Prepend([mark]);
        }

        return splits ? Cut(marked, EachAlone(marked, rune => rune == mark), DelimiterBehavior.MergedWithNext) : [marked];
    })
    {
        IsPlainMetaspace = mark == '▁' && prepends == true && splits,
        KeepsWords = mark == '▁' && prepends == true,
        MarksWords = mark == '▁' && prepends == true,
    };

    private static List<AlignedText.Stretch> EachAlone(AlignedText text, Func<int, bool> isDelimiter)
    {
        var stretches = new List<AlignedText.Stretch>();
        var end = 0;
        for (var at = 0; at < text.Length; at++)
        {
            if (!isDelimiter(text.Characters[at].Rune))
            {
                continue;
            }

            if (at > end)
            {
                stretches.Add(new(end, at, IsMatch: false));
            }

            stretches.Add(new(at, at + 1, IsMatch: true));
            end = at + 1;
        }

        if (end < text.Length)
        {
            stretches.Add(new(end, text.Length, IsMatch: false));
        }

        return stretches;
    }

    /// <summary>Stretches of one kind; kind 0 is the delimiter.</summary>
    private static List<AlignedText.Stretch> Runs(AlignedText text, Func<int, int> kindOf)
    {
        var stretches = new List<AlignedText.Stretch>();
        for (int from = 0, to; from < text.Length; from = to)
        {
            var kind = kindOf(text.Characters[from].Rune);
            for (to = from + 1; to < text.Length && kindOf(text.Characters[to].Rune) == kind; to++)
            {
            }

            stretches.Add(new(from, to, IsMatch: kind == 0));
        }

        return stretches;
    }

    private static IEnumerable<AlignedText> Cut(AlignedText text, List<AlignedText.Stretch> stretches, DelimiterBehavior behavior)
    {
        IEnumerable<AlignedText.Stretch> kept = behavior switch
        {
            DelimiterBehavior.Removed => stretches.Where(stretch => !stretch.IsMatch),
            DelimiterBehavior.MergedWithPrevious => Merge(stretches, (stretch, wasMatch) => stretch.IsMatch && !wasMatch),
            DelimiterBehavior.MergedWithNext => Enumerable.Reverse(Merge(Enumerable.Reverse(stretches), (stretch, wasMatch) => stretch.IsMatch && !wasMatch)),
            DelimiterBehavior.Contiguous => Merge(stretches, (stretch, wasMatch) => stretch.IsMatch == wasMatch),
            _ => stretches,
        };
        return kept.Select(stretch => text.Slice(stretch.From, stretch.To));
    }

    /// <summary>Joins a stretch to the one before it, seen in the direction of the sequence, where that is asked for.</summary>
    private static List<AlignedText.Stretch> Merge(IEnumerable<AlignedText.Stretch> stretches, Func<AlignedText.Stretch, bool, bool> joins)
    {
        var merged = new List<AlignedText.Stretch>();
        var wasMatch = false;
        foreach (var stretch in stretches)
        {
            if (merged.Count > 0 && joins(stretch, wasMatch))
            {
                merged[^1] = new(Math.Min(merged[^1].From, stretch.From), Math.Max(merged[^1].To, stretch.To), IsMatch: false);
            }
            else
            {
                merged.Add(stretch);
            }

            wasMatch = stretch.IsMatch;
        }

        return merged;
    }
}
