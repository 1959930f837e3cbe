using static TorchSharp.torch;

namespace NotebookLib.Batching;

/// <summary>
/// Rows padded to the longest of them, as the data collator of the Python stack does it: ids and mask with 0, labels with −100.
/// Owns its tensors, which live outside every dispose scope: whoever asked for the batch disposes it.
/// </summary>
// B rows, L length of the longest row in pieces
public sealed class Batch : IDisposable
{
    /// <summary>The label of positions that are not to be predicted (PyTorch's ignore_index).</summary>
    public const int IgnoredLabel = -100;

    private Batch(Tensor inputIds_BL, Tensor attentionMask_BL, Tensor labels_BL, int[] lengths, int labelledCount)
    {
        InputIds = inputIds_BL;
        AttentionMask = attentionMask_BL;
        Labels = labels_BL;
        Lengths = lengths;
        LabelledCount = labelledCount;
    }

    /// <summary>Piece ids, [B, L], int64.</summary>
    public Tensor InputIds { get; }

    /// <summary>1 on pieces, 0 on padding, [B, L], int64.</summary>
    public Tensor AttentionMask { get; }

    /// <summary>Label ids, −100 where nothing is to be predicted, [B, L], int64.</summary>
    public Tensor Labels { get; }

    /// <summary>Real length of each row in pieces, [B]; kept on the host so that nobody waits for the device to learn it.</summary>
    public int[] Lengths { get; }

    /// <summary>Rows, B.</summary>
    public int RowCount => Lengths.Length;

    /// <summary>Length of the longest row in pieces, L.</summary>
    public int PaddedLength => checked((int)InputIds.shape[1]);

    /// <summary>Pieces without padding.</summary>
    public int PieceCount => Lengths.Sum();

    /// <summary>Positions with a label, over which the loss is a mean.</summary>
    public int LabelledCount { get; }

    /// <summary>Pads rows into a batch.</summary>
    /// <param name="rows">At least one row.</param>
    /// <param name="device">Where the tensors go; null is the CPU.</param>
    /// <exception cref="ArgumentException">There is no row, a row is empty, or a row's ids and labels differ in length.</exception>
    public static Batch Pad(IReadOnlyList<EncodedSentence> rows, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ThrowIfUnfit([rows]);
        int[] lengths = [.. rows.Select(row => row.Length)];
        var width = lengths.Max();
        var inputIds = new long[rows.Count * width];
        var attentionMask = new long[rows.Count * width];
        var labels = new long[rows.Count * width];
        Array.Fill(labels, IgnoredLabel);
        var labelledCount = 0;
        for (var r = 0; r < rows.Count; r++)
        {
            for (var i = 0; i < lengths[r]; i++)
            {
                var at = (r * width) + i;
                inputIds[at] = rows[r].InputIds[i];
                attentionMask[at] = 1;
                labels[at] = rows[r].Labels[i];
                labelledCount += rows[r].Labels[i] == IgnoredLabel ? 0 : 1;
            }
        }

        Tensor OnDevice(long[] values) => tensor(values, [rows.Count, width], dtype: ScalarType.Int64, device: device ?? CPU).DetachFromDisposeScope();
        return new(OnDevice(inputIds), OnDevice(attentionMask), OnDevice(labels), lengths, labelledCount);
    }

    /// <summary>Pads the rows of one batch of an order.</summary>
    /// <param name="rows">All rows.</param>
    /// <param name="indices">Which of them, as <see cref="RowOrder.Batches"/> gives them.</param>
    /// <param name="device">Where the tensors go; null is the CPU.</param>
    /// <inheritdoc cref="Pad(IReadOnlyList{EncodedSentence}, Device?)" path="/exception"/>
    public static Batch Pad(IReadOnlyList<EncodedSentence> rows, IEnumerable<int> indices, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return Pad([.. indices.Select(index => rows[index])], device);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        InputIds.Dispose();
        AttentionMask.Dispose();
        Labels.Dispose();
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
