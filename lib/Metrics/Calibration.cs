namespace NotebookLib.Metrics;

/// <summary>Answers of about the same confidence.</summary>
/// <param name="Confidence">Their mean confidence, 0 to 1.</param>
/// <param name="Accuracy">The share of them that is right, 0 to 1.</param>
/// <param name="Count">How many they are.</param>
internal sealed record CalibrationBin(double Confidence, double Accuracy, int Count);

/// <summary>
/// Compares how sure a model is with how often it is right (Guo et al. 2017, "On Calibration of Modern Neural Networks", §2): answers are sorted into bins of
/// equal width by confidence.
/// </summary>
public sealed class Calibration
{
    private readonly (double Confidence, int Right, int Count)[] _bins;

    /// <summary>An empty comparison.</summary>
    /// <param name="binCount">Bins between 0 and 1.</param>
    public Calibration(int binCount = 10)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(binCount, 1);
        _bins = new (double, int, int)[binCount];
    }

    /// <summary>The bins that hold an answer, ascending.</summary>
    internal IReadOnlyList<CalibrationBin> Bins =>
        [.. _bins.Where(bin => bin.Count > 0).Select(bin => new CalibrationBin(bin.Confidence / bin.Count, (double)bin.Right / bin.Count, bin.Count))];

    /// <summary>Mean distance between confidence and accuracy, weighted by answers (the paper's ECE, eq. 3); 0 without answers.</summary>
    public double ExpectedError =>
        Bins is { Count: > 0 } bins ? bins.Sum(bin => bin.Count * Math.Abs(bin.Confidence - bin.Accuracy)) / bins.Sum(bin => (double)bin.Count) : 0;

    /// <summary>Adds an answer.</summary>
    /// <param name="confidence">Probability that the model gave its answer, 0 to 1.</param>
    /// <param name="isRight">Whether the answer is the gold one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The confidence is no probability.</exception>
    public void Add(double confidence, bool isRight)
    {
        if (!(confidence is >= 0 and <= 1.000001))
        {
            throw new ArgumentOutOfRangeException(nameof(confidence), confidence,
                "Confidence: expected a probability between 0 and 1 (softmax of the logits).");
        }

        ref var bin = ref _bins[Math.Min(_bins.Length - 1, (int)(confidence * _bins.Length))];
        bin = (bin.Confidence + confidence, bin.Right + (isRight ? 1 : 0), bin.Count + 1);
    }
}
