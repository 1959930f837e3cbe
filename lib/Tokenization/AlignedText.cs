using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>One character of a text that is being normalised, and the range of the original that it stands for, in code points.</summary>
internal readonly record struct AlignedCharacter(int Rune, int Start, int End);

/// <summary>
/// A text, or a section of one, while it is normalised and split. The arithmetic of ranges is that of huggingface/tokenizers
/// (tokenizers/src/tokenizer/normalizer.rs, <c>transform_range</c>, <c>slice</c>, <c>replace</c>, 02cc5359), including what it does when a rule deletes a
/// text's first character: every later range is then one too far left.
/// </summary>
/// <param name="characters">The characters now.</param>
/// <param name="shift">Where the section begins in the original.</param>
internal sealed class AlignedText(ReadOnlyMemory<AlignedCharacter> characters, int shift)
{
    /// <summary>The characters.</summary>
    public ReadOnlySpan<AlignedCharacter> Characters => characters.Span;

    /// <summary>Where the section begins in the original, in code points.</summary>
    public int Shift => shift;

    /// <summary>How many characters there are.</summary>
    public int Length => characters.Length;

    /// <summary>
    /// One character of a rewritten text, and what it did to the old one: 0 replaces a character, 1 is new, −n replaces one and swallows n more.
    /// </summary>
    public readonly record struct Change(int Rune, int Difference);

    /// <summary>A stretch of the text, and whether a pattern matched it.</summary>
    public readonly record struct Stretch(int From, int To, bool IsMatch);

    /// <summary>Begins with a text that stands for itself.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    public static AlignedText Of(ReadOnlySpan<char> text)
    {
        var characters = new AlignedCharacter[CodePoints.Count(text)];
        var at = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            characters[at] = new(rune.Value, at, ++at);
        }

        return new(characters, 0);
    }

    /// <summary>A section.</summary>
    public AlignedText Slice(int from, int to) => new(characters[from..to], from < to ? Characters[from].Start : shift);

    /// <summary>The text without characters at its ends.</summary>
    public AlignedText Trim(int atStart, int atEnd) => atStart + atEnd == 0 ? this : new(characters[atStart..^atEnd], shift);

    /// <summary>Rewrites the whole text.</summary>
    /// <param name="changes">Every character of the new text.</param>
    /// <param name="removedAtStart">How many characters before the first of them are gone.</param>
    public AlignedText Rewrite(List<Change> changes, int removedAtStart = 0)
    {
        var old = Characters;
        var next = removedAtStart;
        var rewritten = new AlignedCharacter[changes.Count];
        for (var at = 0; at < rewritten.Length; at++)
        {
            var (rune, difference) = changes[at];
            var source = difference > 0 ? next - 1 : Math.Min(next, old.Length - 1);
            rewritten[at] = source < 0 ? new(rune, shift, shift) : new(rune, old[source].Start, old[source].End);
            next += difference > 0 ? 0 : 1 - difference;
        }

        return new(rewritten, shift);
    }

    /// <summary>Keeps some of the characters.</summary>
    public AlignedText Where(Func<int, bool> isKept)
    {
        var changes = new List<Change>(Length);
        var (removedAtStart, hasRemoved) = (0, false);
        foreach (var (rune, _, _) in Characters)
        {
            if (isKept(rune))
            {
                changes.Add(new(rune, 0));
                continue;
            }

            hasRemoved = true;
            if (changes.Count == 0)
            {
                removedAtStart++;
            }
            else
            {
                changes[^1] = changes[^1] with { Difference = changes[^1].Difference - 1 };
            }
        }

        return hasRemoved ? Rewrite(changes, removedAtStart) : this;
    }

    /// <summary>Puts another character in the place of each.</summary>
    public AlignedText Select(Func<int, int> map)
    {
        var mapped = new AlignedCharacter[Length];
        for (var at = 0; at < mapped.Length; at++)
        {
            mapped[at] = Characters[at] with { Rune = map(Characters[at].Rune) };
        }

        return new(mapped, shift);
    }

    /// <summary>Puts <paramref name="content"/> in the place of each match; it stands for the match's last character.</summary>
    public AlignedText Replace(IReadOnlyList<Stretch> stretches, ReadOnlySpan<int> content)
    {
        var replaced = new List<AlignedCharacter>(Length);
        foreach (var (from, to, isMatch) in stretches)
        {
            if (!isMatch)
            {
                replaced.AddRange(Characters[from..to]);
                continue;
            }

            foreach (var rune in content)
            {
                replaced.Add(to == 0 ? new(rune, shift, shift) : Characters[to - 1] with { Rune = rune });
            }
        }

        return new(replaced.ToArray(), shift);
    }

    /// <summary>Puts characters in front; they share the first one's range.</summary>
    public AlignedText Prepend(ReadOnlySpan<int> content)
    {
        if (Length == 0)
        {
            return this;
        }

        var longer = new AlignedCharacter[content.Length + Length];
        for (var at = 0; at < content.Length; at++)
        {
            longer[at] = Characters[0] with { Rune = content[at] };
        }

        Characters.CopyTo(longer.AsSpan(content.Length));
        return new(longer, shift);
    }

    /// <summary>The characters as a string.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Length);
        foreach (var (rune, _, _) in Characters)
        {
            text.Append(new Rune(rune));
        }

        return text.ToString();
    }
}
