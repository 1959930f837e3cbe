using static TorchSharp.torch;

namespace NotebookLib.Batching;

/// <summary>The orders in which training and evaluation read their rows.</summary>
internal static class BatchOrder
{
    /// <summary>
    /// The Python stack's order: torch.randperm from a CPU generator of its own, seeded seed + epoch · (epoch + 1) / 2: with seed 42 that is 42, 43, 45, 48, …
    /// accelerate 0.25 means to seed with seed + epoch, but takes for the seed what its generator was last seeded with, so the epochs add up
    /// (data_loader.py, SeedableRandomSampler.__iter__). libtorch is the same, so the same batches come out; held to the order recorded in reference/training.
    /// </summary>
    /// <param name="rowCount">Rows of the training set.</param>
    /// <param name="seed">The run's seed, 42 in the original.</param>
    /// <param name="epoch">Pass over the rows, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public static RowOrder Reference(int rowCount, long seed, int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        return RandomPermutation(rowCount, seed + ((long)epoch * (epoch + 1) / 2));
    }

    /// <summary><c>torch.randperm(rowCount)</c> from a CPU generator seeded <paramref name="seed"/>; touches no global random state.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rowCount"/> is negative.</exception>
    public static RowOrder RandomPermutation(int rowCount, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rowCount);
        if (rowCount == 0)
        {
            return new([]);
        }

        using var generator = new Generator(unchecked((ulong)seed), CPU);
        using var permutation = randperm(rowCount, ScalarType.Int64, CPU, generator: generator);
        return new(Array.ConvertAll(permutation.data<long>().ToArray(), row => (int)row));
    }

    /// <summary>
    /// Longest rows first, equal ones in their own order: batches with next to no padding, and the largest comes first, where memory runs out at once or never.
    /// </summary>
    /// <param name="lengths">Length of each row in pieces.</param>
    public static RowOrder SortedByLength(IReadOnlyList<int> lengths)
    {
        return new([.. Enumerable.Range(0, lengths.Count).OrderByDescending(row => lengths[row])]);
    }

    /// <inheritdoc cref="SortedByLength(IReadOnlyList{int})"/>
    /// <param name="rows">The rows.</param>
    public static RowOrder SortedByLength(IReadOnlyList<EncodedSentence> rows)
    {
        return SortedByLength([.. rows.Select(row => row.Length)]);
    }

    /// <summary>The rows as they stand.</summary>
    public static RowOrder Sequential(int rowCount) => new([.. Enumerable.Range(0, rowCount)]);
}
