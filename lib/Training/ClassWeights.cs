using NotebookLib.Batching;

namespace NotebookLib.Training;

/// <summary>How rare labels count more in the loss.</summary>
public enum ClassWeighting
{
    /// <summary>All alike: the original.</summary>
    None,

    /// <summary>By 1 / √n, n pieces of the label.</summary>
    InverseSquareRoot,

    /// <summary>
    /// By 1 / (1 − βⁿ), β = 0.999: the effective number of samples (Cui et al. 2019, "Class-Balanced Loss"), which stops growing after some thousand pieces.
    /// </summary>
    EffectiveNumber,
}

/// <summary>Weights for <see cref="TrainingSettings.ClassWeights"/> out of what the training rows hold.</summary>
public static class ClassWeights
{
    private const double Beta = 0.999;

    /// <summary>The weights of a kind.</summary>
    /// <param name="weighting">The kind.</param>
    /// <param name="rows">The training rows; every labelled piece counts.</param>
    /// <param name="labels">Number of labels.</param>
    /// <returns>One weight per label, on average 1; null for <see cref="ClassWeighting.None"/>. A label that never occurs weighs what one that occurs once
    /// does.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A row has a label beyond <paramref name="labels"/>, or the kind is unknown.</exception>
    public static IReadOnlyList<double>? Of(ClassWeighting weighting, IEnumerable<EncodedSentence> rows, int labels)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(labels, 1);
        Func<double, double>? weigh = weighting switch
        {
            ClassWeighting.None => null,
            ClassWeighting.InverseSquareRoot => count => 1 / Math.Sqrt(count),
            ClassWeighting.EffectiveNumber => count => (1 - Beta) / (1 - Math.Pow(Beta, count)),
            _ => throw new ArgumentOutOfRangeException(nameof(weighting), weighting, $"expected one of {string.Join(", ", Enum.GetNames<ClassWeighting>())}."),
        };
        if (weigh is null)
        {
            return null;
        }

        double[] weights = [.. Count(rows, labels).Select(count => weigh(Math.Max(1, count)))];
        var mean = weights.Average();
        return [.. weights.Select(weight => weight / mean)];
    }

    /// <summary>Labelled pieces of each label.</summary>
    /// <inheritdoc cref="Of" path="/param"/>
    public static long[] Count(IEnumerable<EncodedSentence> rows, int labels)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var counts = new long[labels];
        foreach (var label in rows.SelectMany(row => row.Labels).Where(label => label != Batch.IgnoredLabel))
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(label, labels, nameof(rows));
            counts[label]++;
        }

        return counts;
    }
}
