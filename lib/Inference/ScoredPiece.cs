namespace NotebookLib.Inference;

/// <summary>A piece with its probabilities, before anything is put together.</summary>
/// <param name="Word">The piece's text, ▁ included; for an unknown piece what stands in the text.</param>
/// <param name="Probabilities">[K].</param>
/// <param name="Start">In code points.</param>
/// <param name="End">In code points, exclusive.</param>
/// <param name="Index">Number of the piece, <c>[CLS]</c> being 0.</param>
/// <param name="IsSubword">True when no space stands before it or at its front.</param>
internal readonly record struct ScoredPiece(string Word, float[] Probabilities, int Start, int End, int Index, bool IsSubword)
{
    /// <summary>The best label and its probability; the first of equals.</summary>
    public (int Label, float Score) Best => BestOf(Probabilities);

    /// <inheritdoc cref="Best"/>
    public static (int Label, float Score) BestOf(ReadOnlySpan<float> probabilities)
    {
        var best = 0;
        for (var label = 1; label < probabilities.Length; label++)
        {
            best = probabilities[label] > probabilities[best] ? label : best;
        }

        return (best, probabilities[best]);
    }

    /// <summary>The best label and its probability, without the others' probabilities.</summary>
    /// <param name="logits">[K].</param>
    public static (int Label, float Score) BestOfLogits(ReadOnlySpan<float> logits)
    {
        var (label, largest) = BestOf(logits);
        var sum = 0f;
        foreach (var logit in logits)
        {
            sum += MathF.Exp(logit - largest);
        }

        return (label, 1 / sum);
    }

    /// <summary>Probabilities of one piece, in float32 as the reference computes them.</summary>
    /// <param name="logits">[K].</param>
    public static float[] Softmax(ReadOnlySpan<float> logits)
    {
        var largest = float.NegativeInfinity;
        foreach (var logit in logits)
        {
            largest = MathF.Max(largest, logit);
        }

        var probabilities = new float[logits.Length];
        var sum = 0f;
        for (var label = 0; label < logits.Length; label++)
        {
            probabilities[label] = MathF.Exp(logits[label] - largest);
            sum += probabilities[label];
        }

        for (var label = 0; label < logits.Length; label++)
        {
            probabilities[label] /= sum;
        }

        return probabilities;
    }
}
