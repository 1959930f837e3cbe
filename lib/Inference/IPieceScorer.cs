namespace NotebookLib.Inference;

/// <summary>Gives each piece of a text a score per label: a network, or whatever stands in for one in a test.</summary>
public interface IPieceScorer
{
    /// <summary>Label names by id, K of them.</summary>
    IReadOnlyList<string> Labels { get; }

    /// <summary>Pieces of the longest text that it was made for, <c>[CLS]</c> and <c>[SEP]</c> among them; longer texts are best given in windows.</summary>
    int MaximumPieces => int.MaxValue;

    /// <summary>Scores texts.</summary>
    /// <param name="inputIds">Piece ids of each text, with <c>[CLS]</c> and <c>[SEP]</c>, [L]; L differs from text to text.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>For each text, in order, its logits, [L, K] row by row.</returns>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default);
}
