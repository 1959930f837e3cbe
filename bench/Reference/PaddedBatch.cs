using NotebookLib.Batching;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Reference;

/// <summary>
/// Rows padded to the longest of them, as the data collator of the Python stack does it: ids and mask with 0, labels with −100.
/// Owns its tensors, which live outside every dispose scope: whoever asked for the batch disposes it.
/// </summary>
// B rows, L length of the longest row in pieces
internal sealed class PaddedBatch(Tensor inputIds_BL, Tensor attentionMask_BL, Tensor labels_BL) : IDisposable
{
    /// <summary>Piece ids, [B, L], int64.</summary>
    public Tensor InputIds { get; } = inputIds_BL;

    /// <summary>1 on pieces, 0 on padding, [B, L], int64.</summary>
    public Tensor AttentionMask { get; } = attentionMask_BL;

    /// <summary>Label ids, −100 where nothing is to be predicted, [B, L], int64.</summary>
    public Tensor Labels { get; } = labels_BL;

    /// <summary>Pads rows into a batch.</summary>
    /// <param name="rows">At least one row.</param>
    /// <param name="device">Where the tensors go; null is the CPU.</param>
    /// <exception cref="ArgumentException">There is no row, a row is empty, or a row's ids and labels differ in length.</exception>
    public static PaddedBatch Pad(IReadOnlyList<EncodedSentence> rows, Device? device = null)
    {
        Batch.ThrowIfUnfit([rows]);
        int[] lengths = [.. rows.Select(row => row.Length)];
        var width = lengths.Max();
        var inputIds = new long[rows.Count * width];
        var attentionMask = new long[rows.Count * width];
        var labels = new long[rows.Count * width];
        Array.Fill(labels, Batch.IgnoredLabel);
        for (var r = 0; r < rows.Count; r++)
        {
            for (var i = 0; i < lengths[r]; i++)
            {
                var at = (r * width) + i;
                inputIds[at] = rows[r].InputIds[i];
                attentionMask[at] = 1;
                labels[at] = rows[r].Labels[i];
            }
        }

        Tensor OnDevice(long[] values) => tensor(values, [rows.Count, width], dtype: ScalarType.Int64, device: device ?? CPU).DetachFromDisposeScope();
        return new(OnDevice(inputIds), OnDevice(attentionMask), OnDevice(labels));
    }

    /// <inheritdoc />
    public void Dispose()
    {
        InputIds.Dispose();
        AttentionMask.Dispose();
        Labels.Dispose();
    }
}
