using System.Runtime.InteropServices;
using NotebookLib.Batching;

namespace NotebookLib.Training;

/// <summary>
/// Draws which pieces a model must guess, and what it sees in their place. A draw depends on (seed, draw, row) alone, so a resumed run masks as the
/// unbroken one, and nothing needs to be kept.
/// </summary>
internal sealed class PieceMasker(MaskedLanguageSettings settings, int vocabularySize, long seed)
{
    private readonly HashSet<int> _special = [.. settings.SpecialIds, settings.MaskId];

    /// <summary>Masks one row.</summary>
    /// <param name="ids">Piece ids, [L].</param>
    /// <param name="draw">Which draw: the micro-batch's number, so that every epoch masks anew.</param>
    /// <param name="row">The row's number.</param>
    /// <returns>What the model sees, with the true id as label where it must guess and −100 elsewhere; at least one guess unless all pieces are
    /// special.</returns>
    public EncodedSentence Mask(ReadOnlySpan<int> ids, long draw, int row)
    {
        var random = new SplitMix64(
            unchecked(((ulong)seed * 0x9E3779B97F4A7C15UL) ^ ((ulong)draw * 0xC2B2AE3D27D4EB4FUL) ^ ((ulong)row * 0x165667B19E3779F9UL)));
        int[] seen = [.. ids], labels = new int[ids.Length];
        Array.Fill(labels, Batch.IgnoredLabel);
        var words = Words(ids);
        var pieces = words.Sum(word => word.End - word.Start);
        var wanted = Math.Max(1, (int)Math.Round(pieces * settings.GuessedShare));
        random.Shuffle(CollectionsMarshal.AsSpan(words));
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
                Hide(seen, labels, start, end, ref random);
                guessed += end - start;
            }
        }

        return new(seen, labels, labels);
    }

    private void Hide(int[] seen, int[] labels, int start, int end, ref SplitMix64 random)
    {
        for (var i = start; i < end; i++)
        {
            labels[i] = seen[i];
            var fate = random.NextDouble();
            seen[i] = fate < settings.MaskedShare ? settings.MaskId : fate < settings.MaskedShare + settings.RandomShare ? RandomPiece(ref random) : seen[i];
        }
    }

    private int RandomPiece(ref SplitMix64 random)
    {
        int piece;
        do
        {
            piece = random.Next(vocabularySize);
        }
        while (_special.Contains(piece));

        return piece;
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

            var continues = settings.IsWordStart is { } isStart && words.Count > 0 && words[^1].End == i && !isStart(ids[i]);
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

    /// <summary>SplitMix64 (Steele, Lea and Flood 2014): good numbers from any seed, at once.</summary>
    private struct SplitMix64(ulong state)
    {
        private ulong _state = state;

        public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

        public int Next(int below) => (int)(((UInt128)NextBits() * (ulong)below) >> 64);

        public void Shuffle<T>(Span<T> items)
        {
            for (var i = items.Length - 1; i > 0; i--)
            {
                var other = Next(i + 1);
                (items[i], items[other]) = (items[other], items[i]);
            }
        }

        private ulong NextBits()
        {
            var z = _state += 0x9E3779B97F4A7C15UL;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            return z ^ (z >> 31);
        }
    }
}
