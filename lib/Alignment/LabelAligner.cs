namespace NotebookLib.Alignment;

/// <summary>
/// Carries labels from words to pieces and back, with the arithmetic of the original notebooks (<c>tokenize_and_preserve_tags</c>,
/// <c>align_tags_with_words</c>). Label ids are those of a <see cref="Data.LabelSet"/>: 0 is O, odd ids begin an entity (B), the even id after each continues
/// it (I).
/// </summary>
/// <example>
/// <code>
/// word        Her   Tuvalu            .
/// tag         0     5 (B-LOC)         0
/// pieces  CLS ▁Her  ▁Tuv   alu        ▁.   SEP
/// labels −100 0     5      6 (I-LOC)  0    −100
/// </code>
/// </example>
public static class LabelAligner
{
    /// <summary>The label where nothing is to be predicted; the loss leaves it out.</summary>
    public const int Ignored = -100;

    private const int Outside = 0;

    /// <summary>Gives every piece a label.</summary>
    /// <param name="wordIds">Index of each piece's word, [L]; −1 on special tokens.</param>
    /// <param name="tags">Label ids, one per word.</param>
    /// <returns>
    /// Labels, [L]: <see cref="Ignored"/> on special tokens, the word's tag on its first piece, <c>(tag + 1) / 2 · 2</c> on the others (B-x and I-x give I-x, O
    /// stays O).
    /// </returns>
    /// <exception cref="ArgumentException">A word id has no tag, or a tag is negative.</exception>
    public static int[] AlignLabels(ReadOnlySpan<int> wordIds, IReadOnlyList<int> tags)
    {
        ArgumentNullException.ThrowIfNull(tags);
        var labels = new int[wordIds.Length];
        var previousWord = -1;
        for (var piece = 0; piece < labels.Length; piece++)
        {
            var word = wordIds[piece];
            labels[piece] = word < 0 ? Ignored : word == previousWord ? Continued(tags[word]) : CheckedTag(tags, word, nameof(tags));
            previousWord = word;
        }

        return labels;
    }

    /// <summary>Gives every word a tag, from predictions for its pieces.</summary>
    /// <param name="pieceTags">Predicted label ids, [L]; what stands on special tokens is not read.</param>
    /// <param name="wordIds">Index of each piece's word, [L], rising; −1 on special tokens.</param>
    /// <param name="wordCount">Number of words, those without a piece included.</param>
    /// <returns>
    /// Tags, one per word. A word has its first piece's tag or, when that is O, the last of its pieces' tags that replaces an O. Then, from left to right, an I
    /// that does not go on from the word before (same type, B or I) becomes B. Words without pieces are O, and the words around them count as neighbours.
    /// </returns>
    /// <exception cref="ArgumentException">The lengths differ, or a word id is not below <paramref name="wordCount"/>.</exception>
    public static int[] AlignTagsWithWords(ReadOnlySpan<int> pieceTags, ReadOnlySpan<int> wordIds, int wordCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(wordCount);
        if (pieceTags.Length != wordIds.Length)
        {
            throw new ArgumentException($"{pieceTags.Length} tags for {wordIds.Length} pieces; expected one each.", nameof(pieceTags));
        }

        var tags = new int[wordCount];
        var previousWord = -1;
        var tagBefore = Outside;
        for (var piece = 0; piece < wordIds.Length;)
        {
            var word = wordIds[piece];
            if (word < 0)
            {
                piece++;
                continue;
            }

            if (word <= previousWord || word >= wordCount)
            {
                throw new ArgumentException($"Piece {piece} belongs to word {word} after word {previousWord}; expected rising numbers below {wordCount}.",
                    nameof(wordIds));
            }

            var tag = TagOfWord(pieceTags, wordIds, ref piece);
            tags[word] = previousWord < 0 ? tag : Opened(tag, tagBefore);
            (previousWord, tagBefore) = (word, tags[word]);
        }

        return tags;
    }

    private static int Continued(int tag) => (tag + 1) / 2 * 2;

    /// <summary>An I that continues nothing begins: I follows B (one less) or I (equal) of its own type only.</summary>
    private static int Opened(int tag, int tagBefore) => tag > 0 && tag % 2 == 0 && tag - tagBefore is not (0 or 1) ? tag - 1 : tag;

    private static int TagOfWord(ReadOnlySpan<int> pieceTags, ReadOnlySpan<int> wordIds, ref int piece)
    {
        var word = wordIds[piece];
        var tag = pieceTags[piece++];
        for (; piece < wordIds.Length && wordIds[piece] == word; piece++)
        {
            tag = tag == Outside ? pieceTags[piece] : tag;
        }

        return tag;
    }

    private static int CheckedTag(IReadOnlyList<int> tags, int word, string parameter) =>
        word >= tags.Count
            ? throw new ArgumentException($"Word {word} has no tag: there are {tags.Count} tags. Were these tags made for another sentence?", parameter)
        : tags[word] < 0 ? throw new ArgumentException(Invariant($"Word {word} has tag {tags[word]}; expected a label id from 0."), parameter)
        : tags[word];
}
