using NotebookLib.Batching;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Scores batch after batch without gradients: what an evaluation and a tagger share. On a CUDA device as many go through at once as its memory holds.
/// </summary>
internal static class ScoringPasses
{
    /// <summary>Runs the network over batches.</summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="batches">Rows of each.</param>
    /// <param name="piecesPerPass">About how many pieces go through at once; null asks the device's free memory; a CPU takes one batch.</param>
    /// <param name="enterPrecision">Opens the precision of the network's products; null takes that which is on in this thread.</param>
    /// <param name="take">Takes the batches of a pass, first and count, what went through, and its scores, [N, K]. What it keeps it moves out of its
    /// scope, as the last thing it does: where a device's memory runs out, the pass is done again in halves.</param>
    /// <param name="cancellation">Ends it between passes.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">One batch alone does not fit into the device's memory.</exception>
    public static void Run(
        DebertaV2ForTokenClassification model, IReadOnlyList<EncodedSentence[]> batches, int? piecesPerPass, Func<IDisposable?>? enterPrecision,
        Action<int, int, Batch, Tensor> take, CancellationToken cancellation)
    {
        using var held = model.Engine.KeepWeightCopies();
        using var noGradients = no_grad(); // Not inference_mode: tables that the model caches on the way must serve training afterwards.
        PassMemory.InPasses([.. batches.Select(rows => rows.Sum(row => row.Length))], PiecesAtOnce(model, batches, piecesPerPass, enterPrecision),
            (first, count) =>
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var batch = Batch.OfGroups([.. batches.Skip(first).Take(count)], model.Classifier.Weight.device);
            Tensor logits_NK;
            using (enterPrecision?.Invoke())
            {
                logits_NK = model.Score(batch);
            }

            take(first, count, batch, logits_NK);
        });
    }

    private static int PiecesAtOnce(
        DebertaV2ForTokenClassification model, IReadOnlyList<EncodedSentence[]> batches, int? piecesPerPass, Func<IDisposable?>? enterPrecision)
    {
        using var open = enterPrecision?.Invoke();
        if (batches.Count == 0 || !model.TakesGroups)
        {
            return 0;
        }

        var longest = batches.Max(rows => rows.Max(row => row.Length));
        return piecesPerPass ?? PassMemory.PiecesThatFit(model, longest, Autocast.ProductType(model.Classifier.Weight.device_type), trains: false) ?? 0;
    }
}
