using NotebookLib.Batching;
using NotebookLib.SampleMaker.Grammar;

namespace NotebookLib.SampleMaker.Model;

/// <summary>
/// Draws which pieces a model must guess, and what it sees in their place (Devlin et al. 2019 §3.1). A draw depends on (seed, draw, row) alone, so a resumed
/// run masks as the unbroken one, and nothing needs to be kept.
/// </summary>
/// <param name="maskId">Id of <c>[MASK]</c>.</param>
/// <param name="specialIds">Ids that are never masked and never put in a piece's place, besides <paramref name="maskId"/>.</param>
/// <param name="vocabularySize">Pieces of the model's vocabulary.</param>
/// <param name="seed">Any number.</param>
/// <param name="isWordStart">Tells whether a piece begins a word; words are then guessed whole. Null guesses piece by piece.</param>
internal sealed class PieceMasker(int maskId, IEnumerable<int> specialIds, int vocabularySize, long seed, Func<int, bool>? isWordStart = null)
{
    private const double GuessedShare = 0.15;
    // Of the guessed pieces; the rest stays as it is.
    private const double MaskedShare = 0.8;
    private const double RandomShare = 0.1;

    private readonly HashSet<int> _special = [.. specialIds, maskId];

    /// <summary>Masks one row.</summary>
    /// <param name="ids">Piece ids, [L].</param>
    /// <param name="draw">Which draw: the micro-batch's number, so that every epoch masks anew.</param>
    /// <param name="row">The row's number.</param>
    /// <returns>What the model sees, with the true id as label where it must guess and −100 elsewhere; at least one guess unless all pieces are
    /// special.</returns>
    public EncodedSentence Mask(ReadOnlySpan<int> ids, long draw, int row)
    {
        var random = new SplitMix(
            unchecked(((ulong)seed * 0x9E3779B97F4A7C15UL) ^ ((ulong)draw * 0xC2B2AE3D27D4EB4FUL) ^ ((ulong)row * 0x165667B19E3779F9UL)));
        int[] seen = [.. ids], labels = new int[ids.Length];
        Array.Fill(labels, Batch.IgnoredLabel);
        var words = Words(ids);
        var pieces = words.Sum(word => word.End - word.Start);
        var wanted = Math.Max(1, (int)Math.Round(pieces * GuessedShare));
        Shuffle(words, random);
        var guessed = 0;
        foreach (var (start, end) in words)
        {
            // Whole words may overshoot the share by a piece or two; a word that would go far beyond it waits for another draw.
            if (guessed >= wanted)
            {
                break;
            }

            if (guessed == 0 || guessed + end - start <= wanted + 1)
            {
                Hide(seen, labels, start, end, random);
                guessed += end - start;
            }
        }

        return new(seen, labels, labels);
    }

    private void Hide(int[] seen, int[] labels, int start, int end, SplitMix random)
    {
        for (var i = start; i < end; i++)
        {
            labels[i] = seen[i];
            var fate = random.Fraction();
            seen[i] = fate < MaskedShare ? maskId : fate < MaskedShare + RandomShare ? RandomPiece(random) : seen[i];
        }
    }

    private int RandomPiece(SplitMix random)
    {
        int piece;
        do
        {
            piece = random.Below(vocabularySize);
        }
        while (_special.Contains(piece));

        return piece;
    }

    private static void Shuffle<T>(List<T> items, SplitMix random)
    {
        for (var i = items.Count - 1; i > 0; i--)
        {
            var other = random.Below(i + 1);
            (items[i], items[other]) = (items[other], items[i]);
        }
    }

    private List<(int Start, int End)> Words(ReadOnlySpan<int> ids)
    {
        var words = new List<(int Start, int End)>();
        for (var i = 0; i < ids.Length; i++)
        {
            if (_special.Contains(ids[i]))
            {
                continue;
            }

            var continues = isWordStart is { } isStart && words.Count > 0 && words[^1].End == i && !isStart(ids[i]);
            if (continues)
            {
                words[^1] = (words[^1].Start, i + 1);
            }
            else
            {
                words.Add((i, i + 1));
            }
        }

        return words;
    }
}
