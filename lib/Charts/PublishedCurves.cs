namespace NotebookLib.Charts;

/// <summary>The published run's curves, drawn behind ours.</summary>
/// <param name="Name">The run, for instance <c>base-A</c>.</param>
/// <param name="Updates">Length of the published run in updates.</param>
/// <param name="EvaluationLoss">Nats per labelled piece over updates.</param>
/// <param name="Precision">0 to 1 over updates, counted on pieces.</param>
/// <param name="Recall">0 to 1 over updates, counted on pieces.</param>
/// <param name="F1">0 to 1 over updates, counted on pieces.</param>
public sealed record PublishedCurves(string Name, int Updates, Curve EvaluationLoss, Curve Precision, Curve Recall, Curve F1)
{
    /// <summary>A trace of one of its curves, stretched to the length of our run so that both can be compared; the hover box says the true update.</summary>
    internal LineTrace Trace(string what, Curve curve, double ourUpdates, string dash, string valueFormat) => new(
        $"{what}, published {Name}",
        $"published {Name}, update %{{text}}<br>{what} %{{y:{valueFormat}}}<extra></extra>",
        ourUpdates > 0 ? curve.ScaledTo(ourUpdates, Updates).At : curve.At,
        curve.Values)
    {
        Color = Palette.Gray,
        Dash = dash,
        WidthPixels = 1.5,
        Texts = [.. curve.At.Select(at => at.ToString("N0", System.Globalization.CultureInfo.InvariantCulture))],
    };

    /// <summary>What the subtitle says about the stretching.</summary>
    internal string Remark(double ourUpdates) => Math.Abs(ourUpdates - Updates) < 1
        ? $"Grey: the published run {Name}."
        : Invariant($"Grey: the published run {Name}, its {Updates:N0} updates drawn at the length of ours.");
}
