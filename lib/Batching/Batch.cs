using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Batching;

// N real pieces of all sentences

/// <summary>
/// Sentences one after another, without padding. Several micro-batches may go through the network together: each is a group that keeps its own dropout and its
/// own mean. Its tensors live outside every dispose scope: whoever asked for the batch disposes it.
/// </summary>
internal sealed class Batch : IDisposable
{
    /// <summary>The label of pieces that are not to be predicted (PyTorch's ignore_index).</summary>
    public const int IgnoredLabel = -100;

    private Batch(Tensor pieces_2N, int[][] groups, int[] ids, int labelledCount)
    {
        Pieces = pieces_2N;
        (InputIds, Labels) = (pieces_2N[0].DetachFromDisposeScope(), pieces_2N[1].DetachFromDisposeScope());
        (Groups, Ids, LabelledCount) = (groups, ids, labelledCount);
        Lengths = groups.Length == 1 ? groups[0] : [.. groups.SelectMany(group => group)];
    }

    /// <summary>Piece ids, [N], int64.</summary>
    public Tensor InputIds { get; }

    /// <summary>Label ids, −100 where nothing is to be predicted, [N], int64.</summary>
    public Tensor Labels { get; }

    /// <summary>Pieces of each sentence; kept on the host so that nobody waits for the device to learn it.</summary>
    public int[] Lengths { get; }

    /// <summary>Sentences.</summary>
    public int RowCount => Lengths.Length;

    /// <summary>N.</summary>
    public int PieceCount => Ids.Length;

    /// <summary>Pieces with a label, over which the loss is a mean.</summary>
    public int LabelledCount { get; }

    /// <summary>Pieces of each sentence, by micro-batch.</summary>
    internal int[][] Groups { get; }

    /// <summary>Pieces of each micro-batch.</summary>
    internal IReadOnlyList<int> PiecesOfGroups => [.. Groups.Select(group => group.Sum())];

    /// <summary>The ids on the host, [N].</summary>
    internal int[] Ids { get; }

    private Tensor Pieces { get; }

    /// <summary>Sentences of one batch.</summary>
    /// <param name="rows">At least one row.</param>
    /// <param name="device">Where the tensors go; null is the CPU.</param>
    /// <exception cref="ArgumentException">There is no row, a row is empty, or a row's ids and labels differ in length.</exception>
    public static Batch Of(IReadOnlyList<EncodedSentence> rows, Device? device = null) => OfGroups([rows], device);

    /// <summary>Sentences of several micro-batches.</summary>
    /// <param name="groups">At least one micro-batch of at least one row.</param>
    /// <param name="device">Where the tensors go; null is the CPU.</param>
    /// <inheritdoc cref="Of" path="/exception"/>
    public static Batch OfGroups(IReadOnlyList<IReadOnlyList<EncodedSentence>> groups, Device? device = null)
    {
        ThrowIfUnfit(groups);
        var count = groups.Sum(group => group.Sum(row => row.Length));
        var ids = new int[count];
        var pieces = new long[2 * count];
        var (at, labelled) = (0, 0);
        foreach (var row in groups.SelectMany(group => group))
        {
            row.InputIds.CopyTo(ids, at);
            for (var i = 0; i < row.Length; i++, at++)
            {
                (pieces[at], pieces[count + at]) = (row.InputIds[i], row.Labels[i]);
                labelled += row.Labels[i] == IgnoredLabel ? 0 : 1;
            }
        }

        return new(DeviceMemory.Send(tensor(pieces, [2, count], ScalarType.Int64), device ?? CPU),
            [.. groups.Select(group => group.Select(row => row.Length).ToArray())], ids, labelled);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        InputIds.Dispose();
        Labels.Dispose();
        Pieces.Dispose();
    }

    internal static void ThrowIfUnfit(IReadOnlyList<IReadOnlyList<EncodedSentence>> groups)
    {
        if (groups.Count == 0 || groups.Any(rows => rows.Count == 0))
        {
            throw new ArgumentException("A batch needs at least one row.", nameof(groups));
        }

        foreach (var row in groups.SelectMany(rows => rows))
        {
            if (row.Length == 0 || row.Length != row.Labels.Length)
            {
                throw new ArgumentException($"A row has {row.Length} piece ids and {row.Labels.Length} labels; expected as many of each, at least one.",
                    nameof(groups));
            }
        }
    }
}
