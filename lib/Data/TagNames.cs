namespace NotebookLib.Data;

/// <summary>How the names of tags are written: a letter for the place in the entity (B, I, E, S, …) before or behind the type.</summary>
/// <param name="Separator">What stands between letter and type; '\0' where a tag is a type alone, or a letter alone.</param>
/// <param name="IsLetterLast">PER-B instead of B-PER.</param>
internal sealed record TagNames(char Separator, bool IsLetterLast)
{
    private const string Separators = "-_:/|.";

    // B begin, I inside, M middle, E end, L last, S single, U unit, W whole.
    private const string Letters = "BIMELSUW";

    public bool HasLetters => Separator != '\0';

    public string Example => !HasLetters ? "a type alone" : IsLetterLast ? $"PER{Separator}B" : $"B{Separator}PER";

    /// <summary>A word outside of entities, in any file.</summary>
    public static bool IsOutside(ReadOnlySpan<char> tag) => tag is "O" or "o";

    /// <summary>Other ways to say O, where a file's other tags have types: CoNLL-U's and spaCy's blanks, and words.</summary>
    public static bool IsBlank(string tag) => tag is "_" or "-" || tag.ToUpperInvariant() is "OUT" or "OUTSIDE" or "NONE" or "NULL" or "OTHER";

    /// <summary>Takes a tag apart.</summary>
    /// <returns>False when it is not written so.</returns>
    public bool TrySplit(string tag, out char letter, out string type)
    {
        (letter, type) = ('\0', tag);
        if (!HasLetters)
        {
            return true;
        }

        if (tag.Length < 3 || tag[IsLetterLast ? ^2 : 1] != Separator)
        {
            return false;
        }

        letter = char.ToUpperInvariant(tag[IsLetterLast ? ^1 : 0]);
        type = (IsLetterLast ? tag[..^2] : tag[2..]).Trim();
        return type.Length > 0 && Letters.Contains(letter, StringComparison.Ordinal);
    }

    /// <summary>The way in which most of the given tags are written, by how often each occurs; a type alone where none has a letter.</summary>
    public static TagNames Of(IReadOnlyCollection<KeyValuePair<string, long>> tags)
    {
        var (best, bestCount) = (new TagNames('\0', false), 0L);
        foreach (var isLetterLast in (ReadOnlySpan<bool>)[false, true])
        {
            foreach (var separator in Separators)
            {
                var names = new TagNames(separator, isLetterLast);
                var fitting = tags.Where(tag => names.TrySplit(tag.Key, out _, out _)).ToList();
                var count = fitting.Sum(tag => tag.Value);
                if (count > bestCount && fitting.Exists(tag => names.TrySplit(tag.Key, out var letter, out _) && letter is 'B' or 'I' or 'S' or 'U'))
                {
                    (best, bestCount) = (names, count);
                }
            }
        }

        // Some types look as if they began with a letter (E-mail among PER and ORG); a file of tags has letters throughout.
        return 2 * bestCount >= tags.Sum(tag => tag.Value) ? best : new('\0', false);
    }

    /// <summary>Whether tags are letters without a type: B, I, O.</summary>
    public static bool AreLettersAlone(IReadOnlyCollection<string> tags) =>
        tags.Count > 0 && tags.All(tag => tag.Length == 1 && Letters.Contains(char.ToUpperInvariant(tag[0]), StringComparison.Ordinal))
        && tags.Any(tag => tag is "B" or "b" or "I" or "i");
}
