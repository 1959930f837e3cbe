namespace NotebookLib.Kernels;

/// <summary>Where each sentence lies in a ragged batch: N real pieces in all, no padding, sentences one after another.</summary>
internal sealed class RaggedShape
{
    /// <summary>
    /// Pieces that a sentence has at most: one head's attention over so many takes a gigabyte, and the kernels count within a sentence in 32 bits.
    /// </summary>
    public const int MostPieces = 16_384;

    /// <summary>Lays the sentences out.</summary>
    /// <param name="lengths">Pieces of each sentence, from 1 to <see cref="MostPieces"/>.</param>
    /// <exception cref="ArgumentException">There is no sentence, or one is empty or too long.</exception>
    public RaggedShape(IReadOnlyList<int> lengths)
    {
        if (lengths.Count == 0 || lengths.Any(length => length <= 0))
        {
            throw new ArgumentException($"A ragged batch needs sentences of at least one piece; found lengths [{string.Join(", ", lengths)}].",
                nameof(lengths));
        }

        if (lengths.Max() is var longest && longest > MostPieces)
        {
            throw new ArgumentException(Invariant($"A text has {longest:N0} pieces; expected at most {MostPieces:N0}. Split it into sentences."),
                nameof(lengths));
        }

        Lengths = [.. lengths];
        Starts = new int[Lengths.Length];
        ScoreOffsets = new long[Lengths.Length];
        for (var s = 0; s < Lengths.Length; s++)
        {
            Starts[s] = Rows;
            ScoreOffsets[s] = ScoresPerHead;
            Rows += Lengths[s];
            Longest = Math.Max(Longest, Lengths[s]);
            ScoresPerHead += (long)Lengths[s] * SmallGemm.Padded(Lengths[s]);
        }
    }

    /// <summary>Pieces of each sentence.</summary>
    internal int[] Lengths { get; }

    /// <summary>First row of each sentence.</summary>
    internal int[] Starts { get; }

    /// <summary>N, pieces of all sentences.</summary>
    public int Rows { get; }

    /// <summary>T, pieces of the longest sentence.</summary>
    public int Longest { get; }

    /// <summary>Floats that one head's attention probabilities take, rows padded to whole vectors.</summary>
    internal long ScoresPerHead { get; }

    /// <summary>For each sentence where its probabilities begin within a head's.</summary>
    internal long[] ScoreOffsets { get; }
}
