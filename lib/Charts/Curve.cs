namespace NotebookLib.Charts;

/// <summary>Values measured along a run.</summary>
/// <param name="At">Where each value was measured: updates, or seconds since the start; ascending.</param>
/// <param name="Values">The values, all finite.</param>
internal sealed record Curve(IReadOnlyList<double> At, IReadOnlyList<double> Values)
{
    /// <summary>A curve without values.</summary>
    public static Curve Empty { get; } = new([], []);

    /// <summary>Makes a curve of things that know their place and their value; one whose value is not finite is left out.</summary>
    public static Curve Of<T>(IEnumerable<T> items, Func<T, double> at, Func<T, double> value)
    {
        var points = items.Select(item => (At: at(item), Value: value(item))).Where(point => double.IsFinite(point.Value)).ToList();
        return new([.. points.Select(point => point.At)], [.. points.Select(point => point.Value)]);
    }

    /// <summary>The number of values.</summary>
    public int Count => At.Count;

    /// <summary>The same values along a run of another length.</summary>
    public Curve ScaledTo(double length, double ownLength) => this with { At = [.. At.Select(at => at * length / ownLength)] };

    /// <summary>
    /// An exponential moving average, corrected at the start as Adam's moments are (Kingma and Ba 2015, §3), so that the first value is the first loss and not
    /// zero. Positive values are averaged as logarithms: on a logarithmic axis an average of the values themselves lies above a falling curve.
    /// </summary>
    /// <param name="weight">How much of the past stays, 0 to 1.</param>
    public Curve Smoothed(double weight)
    {
        var isPositive = Values.All(value => value > 0);
        var (average, correction) = (0.0, 1.0);
        var smooth = new double[Count];
        for (var i = 0; i < Count; i++)
        {
            average = (weight * average) + ((1 - weight) * (isPositive ? Math.Log(Values[i]) : Values[i]));
            correction *= weight;
            smooth[i] = average / (1 - correction);
        }

        return this with { Values = isPositive ? [.. smooth.Select(Math.Exp)] : smooth };
    }
}
