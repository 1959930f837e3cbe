namespace NotebookLib.Batching;

/// <summary>One training row: a sentence as pieces with aligned labels, L pieces long.</summary>
/// <param name="InputIds">Piece ids with <c>[CLS]</c> and <c>[SEP]</c>, [L].</param>
/// <param name="Labels">Label ids, [L]; −100 where nothing is to be predicted.</param>
/// <param name="WordIds">Index of each piece's word, [L]; −1 on <c>[CLS]</c> and <c>[SEP]</c>.</param>
public sealed record EncodedSentence(int[] InputIds, int[] Labels, int[] WordIds)
{
    /// <summary>Length in pieces, L.</summary>
    public int Length => InputIds.Length;
}
