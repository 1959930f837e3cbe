namespace NotebookLib.Tokenization;

/// <summary>
/// The short way for plain ASCII, which normalisation leaves alone: words can be looked up and searched as they stand. It gives exactly what
/// <see cref="GeneralTokenizer"/> gives; a property test compares the two.
/// </summary>
internal static class PlainText
{
    /// <summary>True when a word can go the short way.</summary>
    public static bool IsPlainWord(ReadOnlySpan<char> word, DebertaTokenizer tokenizer)
    {
        foreach (var character in word)
        {
            if (!tokenizer.IsPlain(character))
            {
                return false;
            }
        }

        return !word.IsEmpty;
    }

    /// <summary>Finds the pieces of one plain word.</summary>
    public static WordPieces Split(ReadOnlySpan<char> word, UnigramModel pieces)
    {
        var workspace = ViterbiWorkspace.OfThread;
        var mark = "▁"u8;
        var utf8 = workspace.BytesFor(mark.Length + word.Length);
        mark.CopyTo(utf8);
        System.Text.Encoding.ASCII.GetBytes(word, utf8[mark.Length..]);
        var count = pieces.Split(utf8, workspace);
        var offsets = new (int, int)[count];
        var (start, end) = (0, 0);
        for (var piece = 0; piece < count; piece++)
        {
            // The bytes of an unknown character are several pieces in one place.
            if (workspace.Ends[piece] > end)
            {
                (start, end) = (end, workspace.Ends[piece]);
            }

            offsets[piece] = (Math.Max(0, start - mark.Length), Math.Max(1, end - mark.Length));
        }

        var result = new WordPieces(workspace.Ids[..count], offsets, StartsWithBareMark: workspace.Ends[0] == mark.Length);
        workspace.Trim();
        return result;
    }

    /// <summary>Tokenizes running text, when all of it is plain words with one space between them.</summary>
    /// <returns>Null when it is not.</returns>
    public static Encoding? TryEncode(string text, DebertaTokenizer tokenizer)
    {
        if (!tokenizer.KeepsTexts || text.Length == 0 || text[^1] == ' ')
        {
            return null;
        }

        var before = ' ';
        foreach (var character in text)
        {
            if (character == ' ' ? before == ' ' : !tokenizer.IsPlain(character))
            {
                return null;
            }

            before = character;
        }

        var words = new List<(WordPieces Pieces, int Start)>(text.Length / 4);
        var length = tokenizer.SpecialCount;
        foreach (var range in text.AsSpan().Split(' '))
        {
            words.Add((tokenizer.PiecesOf(text.AsSpan(range)), range.Start.Value));
            length += words[^1].Pieces.Ids.Length;
        }

        return Join(words, tokenizer.NewEncoding(length), tokenizer.SpecialsBefore);
    }

    /// <summary>Puts the words' pieces behind each other; a word's first piece also covers the space before the word, if it isn't the first.</summary>
    private static Encoding Join(List<(WordPieces Pieces, int Start)> words, Encoding encoding, int at)
    {
        for (var word = 0; word < words.Count; word++)
        {
            var (pieces, wordStart) = words[word];
            for (var piece = 0; piece < pieces.Ids.Length; piece++, at++)
            {
                var (start, end) = pieces.Offsets[piece];
                var isJoined = piece == 0 && word > 0;
                encoding.Ids[at] = pieces.Ids[piece];
                encoding.WordIds[at] = word;
                encoding.Offsets[at] = isJoined
                    ? (wordStart - 1, pieces.StartsWithBareMark ? wordStart : wordStart + end)
                    : (wordStart + start, wordStart + end);
            }
        }

        return encoding;
    }
}
