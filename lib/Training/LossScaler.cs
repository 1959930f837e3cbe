namespace NotebookLib.Training;

/// <summary>
/// The factor by which a float16 loss is multiplied so that small gradients do not vanish (Micikevicius et al. 2018 §3.2; torch.amp.GradScaler):
/// it halves at every overflow and doubles after a long row of good updates.
/// </summary>
internal sealed class LossScaler
{
    /// <summary>The factor now.</summary>
    public double Scale { get; private set; } = 65536;

    /// <summary>Good updates since the factor last changed.</summary>
    public int GoodUpdates { get; private set; }

    /// <summary>The factor grows by this after <see cref="GrowthInterval"/> good updates.</summary>
    public double GrowthFactor { get; init; } = 2;

    /// <summary>The factor shrinks by this at an overflow.</summary>
    public double BackoffFactor { get; init; } = 0.5;

    /// <summary>Good updates in a row after which the factor grows.</summary>
    public int GrowthInterval { get; init; } = 2000;

    /// <summary>Below this a row of overflows is no matter of scale any more.</summary>
    public double SmallestScale { get; init; } = 1.0 / 65536;

    /// <summary>Tells the scaler how an update went.</summary>
    /// <param name="overflowed">True when a gradient was not finite: the update was left out.</param>
    /// <exception cref="InvalidOperationException">The factor fell below <see cref="SmallestScale"/>: the gradients are not finite at any scale.</exception>
    public void Update(bool overflowed)
    {
        if (overflowed)
        {
            Scale *= BackoffFactor;
            GoodUpdates = 0;
            if (Scale < SmallestScale)
            {
                throw new InvalidOperationException(Invariant($"The loss scale fell to {Scale:g3}: gradients are not finite at any scale. ")
                    + "Lower the learning rate, or train in BFloat16 or Float32.");
            }
        }
        else if (++GoodUpdates >= GrowthInterval)
        {
            Scale *= GrowthFactor;
            GoodUpdates = 0;
        }
    }

    /// <summary>Goes on where a checkpoint left off.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The scale is not a positive number.</exception>
    public void Restore(double scale, int goodUpdates)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(scale);
        ArgumentOutOfRangeException.ThrowIfNegative(goodUpdates);
        (Scale, GoodUpdates) = (scale, goodUpdates);
    }
}
