namespace NotebookLib.Tokenization;

/// <summary>Everything that a fast tokenizer with a Unigram model consists of, from whichever file it was read.</summary>
internal sealed record TokenizerParts
{
    /// <summary>The file that it was read from, for messages.</summary>
    public required string Source { get; init; }

    /// <summary>The vocabulary, in id order.</summary>
    public required IReadOnlyList<VocabularyPiece> Pieces { get; init; }

    /// <summary>Id of the piece that stands for unknown text.</summary>
    public required int UnknownId { get; init; }

    /// <summary>Whether unknown characters become the pieces of their bytes.</summary>
    public bool HasByteFallback { get; init; }

    /// <summary>What is done to a text first.</summary>
    public required TextNormalizer Normalizer { get; init; }

    /// <summary>How it is cut then.</summary>
    public required IReadOnlyList<PreTokenizer> PreTokenizers { get; init; }

    /// <summary>Tokens that are found before any of that, or in between.</summary>
    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }

    /// <summary>Ids before every sequence: <c>[CLS]</c>.</summary>
    public required IReadOnlyList<int> Before { get; init; }

    /// <summary>Ids behind every sequence: <c>[SEP]</c>.</summary>
    public required IReadOnlyList<int> Behind { get; init; }

    /// <summary>Joins pieces to text.</summary>
    public required Func<IEnumerable<string>, string> Join { get; init; }

    /// <summary>Finds ids by what they stand for.</summary>
    public required SpecialTokens Special { get; init; }
}
