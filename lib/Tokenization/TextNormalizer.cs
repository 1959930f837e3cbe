using System.Globalization;
using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>One thing that is done to a text before it is split (huggingface/tokenizers, tokenizers/src/normalizers, 02cc5359).</summary>
/// <param name="apply">What it does.</param>
/// <param name="keeps">Whether texts of printable ASCII stay as they are where they have this character in them.</param>
internal sealed class TextNormalizer(Func<AlignedText, AlignedText> apply, Func<char, bool> keeps)
{
    /// <summary>Clusters of this many UTF-8 bytes or more are looked up character by character (normalizers/precompiled.rs).</summary>
    private const int LongCluster = 6;

    private TextNormalizer(Func<AlignedText, AlignedText> apply)
        : this(apply, _ => true)
    {
    }

    /// <summary>Does nothing.</summary>
    public static TextNormalizer None { get; } = new(text => text);

    /// <summary>Marks go, of every kind.</summary>
    public static TextNormalizer StripAccents { get; } = new(text => text.Where(rune => !UnicodeForm.IsMark(rune)));

    /// <summary>Small letters, each character by itself.</summary>
    public static TextNormalizer Lowercase { get; } = new(ToLower, character => !char.IsAsciiLetterUpper(character));

    /// <summary>SentencePiece's rules for machine translation: control characters go, and what separates becomes a space.</summary>
    public static TextNormalizer Nmt { get; } = new(text => text
        .Where(rune => rune is not ((>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F))
        .Select(rune =>
            rune is 0x09 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD ? ' ' : rune));

    /// <summary>The text after it.</summary>
    public AlignedText Normalize(AlignedText text) => apply(text);

    /// <summary>True when a text of printable ASCII stays as it is, whatever else it has, where this character is in it.</summary>
    public bool Keeps(char character) => keeps(character);

    /// <summary>One after the other.</summary>
    public static TextNormalizer Sequence(IReadOnlyList<TextNormalizer> steps) =>
        new(text => steps.Aggregate(text, (current, step) => step.Normalize(current)), character => steps.All(step => step.Keeps(character)));

    /// <summary>White space goes at the ends.</summary>
    public static TextNormalizer Strip(bool isLeft, bool isRight) => new(text =>
    {
        var (start, end) = (0, text.Length);
        while (isLeft && start < end && CharacterKinds.IsWhiteSpace(text.Characters[start].Rune))
        {
            start++;
        }

        while (isRight && end > start && CharacterKinds.IsWhiteSpace(text.Characters[end - 1].Rune))
        {
            end--;
        }

        return text.Trim(start, text.Length - end);
    });

    /// <summary>One of Unicode's forms.</summary>
    public static TextNormalizer Form(UnicodeForm form) => new(form.Normalize);

    /// <summary>Another text in the place of what a pattern finds.</summary>
    public static TextNormalizer Replace(TextPattern pattern, string content)
    {
        int[] runes = [.. content.EnumerateRunes().Select(rune => rune.Value)];
        return new(text => pattern.MayMatch(text) && pattern.Cut(text) is var stretches && stretches.Exists(stretch => stretch.IsMatch)
            ? text.Replace(stretches, runes) : text, pattern.IsSafe);
    }

    /// <summary>A text in front, unless there is nothing to stand in front of.</summary>
    public static TextNormalizer Prepend(string content)
    {
        int[] runes = [.. content.EnumerateRunes().Select(rune => rune.Value)];
        return new(text => text.Prepend(runes), _ => content.Length == 0);
    }

    /// <summary>BERT's cleaning.</summary>
    public static TextNormalizer Bert(bool cleansText, bool spacesIdeographs, bool stripsAccents, bool lowersCase)
    {
        var decomposed = new UnicodeForm(isCompatible: false, isComposed: false);
        return new(
            text =>
            {
                text = cleansText
                    ? text.Where(rune => rune is not (0 or 0xFFFD) && !CharacterKinds.IsControl(rune))
                        .Select(rune => CharacterKinds.IsWhiteSpace(rune) ? ' ' : rune) : text;
                text = spacesIdeographs ? SpaceIdeographs(text) : text;
                text = stripsAccents ? decomposed.Normalize(text).Where(rune => !CharacterKinds.IsNonSpacingMark(rune)) : text;
                return lowersCase ? ToLower(text) : text;
            },
            character => !lowersCase || !char.IsAsciiLetterUpper(character));
    }

    /// <summary>SentencePiece's compiled rules.</summary>
    public static TextNormalizer Precompiled(CharsMap rules)
    {
        bool[] keeps = [.. Enumerable.Range(0, 128).Select(character => rules.FindShortest([(byte)character]) is null)];
        return new(text => Apply(rules, keeps, text), character => keeps[character]);
    }

    private static AlignedText ToLower(AlignedText text)
    {
        var changes = new List<AlignedText.Change>(text.Length);
        foreach (var (rune, _, _) in text.Characters)
        {
            // The one letter whose small form is two characters, and which .NET leaves alone.
            const int DottedCapitalI = 0x130;
            changes.Add(new(rune == DottedCapitalI ? 'i' : Rune.ToLowerInvariant(new Rune(rune)).Value, 0));
            if (rune == DottedCapitalI)
            {
                changes.Add(new(0x307, 1));
            }
        }

        return text.Rewrite(changes);
    }

    private static AlignedText SpaceIdeographs(AlignedText text)
    {
        var changes = new List<AlignedText.Change>(text.Length);
        foreach (var (rune, _, _) in text.Characters)
        {
            changes.AddRange(CharacterKinds.IsIdeograph(rune) ? [new(' ', 0), new(rune, 1), new(' ', 1)] : [new(rune, 0)]);
        }

        return text.Rewrite(changes);
    }

    private static AlignedText Apply(CharsMap rules, bool[] keeps, AlignedText text)
    {
        var isKept = true;
        foreach (var (rune, _, _) in text.Characters)
        {
            isKept &= rune < keeps.Length && keeps[rune];
        }

        if (isKept)
        {
            return text;
        }

        var changes = new List<AlignedText.Change>(text.Length);
        var rest = text.ToString().AsSpan();
        var isChanged = false;
        Span<char> units = stackalloc char[2];
        while (!rest.IsEmpty)
        {
            var cluster = rest[..StringInfo.GetNextTextElementLength(rest)];
            rest = rest[cluster.Length..];
            if (System.Text.Encoding.UTF8.GetByteCount(cluster) < LongCluster && Apply(rules, cluster, changes))
            {
                isChanged = true;
                continue;
            }

            foreach (var rune in cluster.EnumerateRunes())
            {
                if (Apply(rules, units[..rune.EncodeToUtf16(units)], changes))
                {
                    isChanged = true;
                }
                else
                {
                    changes.Add(new(rune.Value, 0));
                }
            }
        }

        return isChanged ? text.Rewrite(changes) : text;
    }

    private static bool Apply(CharsMap rules, ReadOnlySpan<char> part, List<AlignedText.Change> changes)
    {
        Span<byte> utf8 = stackalloc byte[LongCluster];
        utf8 = utf8[..System.Text.Encoding.UTF8.GetBytes(part, utf8)];
        if (rules.FindShortest(utf8) is not { } replacement)
        {
            return false;
        }

        var difference = CodePoints.Count(replacement) - CodePoints.Count(part);
        var first = changes.Count;
        foreach (var rune in replacement.EnumerateRunes())
        {
            changes.Add(new(rune.Value, 0));
        }

        for (var added = Math.Max(first, changes.Count - difference); added < changes.Count; added++)
        {
            changes[added] = changes[added] with { Difference = 1 };
        }

        // Deleted at the very start of the text: there is nothing to note it on, so the reference forgets it, and so do we.
        if (difference < 0 && changes.Count > 0)
        {
            changes[^1] = changes[^1] with { Difference = changes[^1].Difference + difference };
        }

        return true;
    }
}
