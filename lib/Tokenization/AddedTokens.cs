namespace NotebookLib.Tokenization;

/// <summary>A token that is cut out of a text before pieces are searched for.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">What stands in the text.</param>
/// <param name="IsSingleWord">Counts only where no letter or digit stands beside it.</param>
/// <param name="TakesSpaceBefore">Swallows white space on its left.</param>
/// <param name="TakesSpaceBehind">Swallows white space on its right.</param>
/// <param name="IsNormalized">Is looked for after normalisation, in its normalised form.</param>
/// <param name="IsSpecial">Is left out when ids become text again.</param>
internal sealed record AddedToken(int Id, string Content, bool IsSingleWord, bool TakesSpaceBefore, bool TakesSpaceBehind, bool IsNormalized, bool IsSpecial);

/// <summary>Finds added tokens: the leftmost first, of several the longest (huggingface/tokenizers, added_vocabulary.rs, 02cc5359).</summary>
internal sealed class AddedTokens
{
    private readonly Dictionary<int, (int[] Runes, AddedToken Token)[]> _byFirst;

    /// <summary>Prepares a search.</summary>
    /// <param name="tokens">Each with the characters that it is found by.</param>
    public AddedTokens(IEnumerable<(int[] Runes, AddedToken Token)> tokens) => _byFirst = tokens
        .Where(token => token.Runes.Length > 0)
        .GroupBy(token => token.Runes[0])
        .ToDictionary(group => group.Key, group => group.OrderByDescending(token => token.Runes.Length).ToArray());

    /// <summary>True when none of the tokens begins with this character.</summary>
    public bool Keeps(char character) => !_byFirst.ContainsKey(character);

    /// <summary>Cuts a text at its tokens.</summary>
    /// <returns>Every section that is not empty; those that are a token with it.</returns>
    public List<(AlignedText Section, AddedToken? Token)> Cut(AlignedText text)
    {
        var sections = new List<(AlignedText, AddedToken?)>();
        var characters = text.Characters;
        var end = 0;
        for (var at = 0; at < characters.Length; at++)
        {
            if (FindAt(characters, at) is not { } found)
            {
                continue;
            }

            var (from, to) = (at, at + found.Runes.Length);
            at = to - 1;
            if (found.Token.IsSingleWord && !StandsAlone(characters, from, to))
            {
                continue;
            }

            while (found.Token.TakesSpaceBefore && from > end && CharacterKinds.IsWhiteSpace(characters[from - 1].Rune))
            {
                from--;
            }

            while (found.Token.TakesSpaceBehind && to < characters.Length && CharacterKinds.IsWhiteSpace(characters[to].Rune))
            {
                to++;
            }

            // Blanks that the token before took are gone.
            from = Math.Max(from, end);
            Add(end, from, null);
            Add(from, to, found.Token);
            end = Math.Max(end, to);
        }

        Add(end, text.Length, null);
        return sections;

        void Add(int from, int to, AddedToken? token)
        {
            if (from < to)
            {
                sections.Add((text.Slice(from, to), token));
            }
        }
    }

    private static bool StandsAlone(ReadOnlySpan<AlignedCharacter> characters, int from, int to) =>
        (from == 0 || !CharacterKinds.IsWord(characters[from - 1].Rune)) && (to == characters.Length || !CharacterKinds.IsWord(characters[to].Rune));

    private (int[] Runes, AddedToken Token)? FindAt(ReadOnlySpan<AlignedCharacter> characters, int at)
    {
        if (!_byFirst.TryGetValue(characters[at].Rune, out var candidates))
        {
            return null;
        }

        foreach (var candidate in candidates)
        {
            var length = 1;
            while (length < candidate.Runes.Length && at + length < characters.Length && characters[at + length].Rune == candidate.Runes[length])
            {
                length++;
            }

            if (length == candidate.Runes.Length)
            {
                return candidate;
            }
        }

        return null;
    }
}
