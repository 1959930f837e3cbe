namespace NotebookLib.Inference;

/// <summary>
/// Texts on their way through a network that somebody else runs, on those of several callers together, for instance
/// (<see cref="TokenClassificationPipeline.Prepare"/>, <see cref="EntityTagger.Prepare"/>).
/// </summary>
/// <typeparam name="TResult">What becomes of a text.</typeparam>
internal sealed class PreparedTexts<TResult>
{
    private readonly List<PieceWindows.Window> _windows;
    private readonly int _labels;
    private readonly Func<(PieceWindows.Reader Score, Func<IReadOnlyList<TResult>> End)> _begin;

    /// <summary>Cuts texts into windows.</summary>
    /// <param name="scorer">What windows and scores are like.</param>
    /// <param name="encodings">The texts.</param>
    /// <param name="begin">Begins a reading: takes each piece's scores, then makes the results.</param>
    internal PreparedTexts(IPieceScorer scorer,
        IReadOnlyList<Tokenization.Encoding> encodings, Func<(PieceWindows.Reader Score, Func<IReadOnlyList<TResult>> End)> begin)
    {
        (_windows, _labels, _begin) = (PieceWindows.Cut(encodings, scorer.MaximumPieces), scorer.Labels.Count, begin);
        Windows = [.. _windows.Select(window => window.Ids)];
    }

    /// <summary>
    /// What <see cref="IPieceScorer.Score"/> is to score, alone or among others': piece ids with <c>[CLS]</c> and <c>[SEP]</c>, a long text in several windows.
    /// </summary>
    public IReadOnlyList<int[]> Windows { get; }

    /// <summary>Makes results of the scores.</summary>
    /// <param name="logits">Of each window, in order, [L, K] row by row.</param>
    /// <returns>One result a text, in order.</returns>
    /// <exception cref="ArgumentException">There are not as many logits as windows.</exception>
    /// <exception cref="InvalidOperationException">A window has not as many logits as pieces and labels.</exception>
    public IReadOnlyList<TResult> Read(IReadOnlyList<float[]> logits)
    {
        if (logits.Count != _windows.Count)
        {
            throw new ArgumentException($"There are {_windows.Count} windows and logits of {logits.Count}; expected as many, in the same order.",
                nameof(logits));
        }

        var (score, end) = _begin();
        for (var window = 0; window < _windows.Count; window++)
        {
            PieceWindows.Give(_windows[window], logits[window], _labels, score);
        }

        return end();
    }
}
