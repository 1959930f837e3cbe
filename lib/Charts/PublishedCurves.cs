using NotebookLib.Platform;

namespace NotebookLib.Charts;

/// <summary>The published run's curves, drawn behind ours.</summary>
public sealed class PublishedCurves
{
    /// <param name="name">The run, for instance <c>base-A</c>.</param>
    /// <param name="updates">Its length in updates.</param>
    /// <param name="evaluationLoss">Nats per labelled piece over updates.</param>
    /// <param name="f1">0 to 1 over updates, counted on pieces.</param>
    internal PublishedCurves(string name, int updates, Curve evaluationLoss, Curve f1) =>
        (Name, Updates, EvaluationLoss, F1) = (name, updates, evaluationLoss, f1);

    /// <summary>The run, for instance <c>base-A</c>.</summary>
    public string Name { get; }

    /// <summary>Length of the published run in updates.</summary>
    public int Updates { get; }

    internal Curve EvaluationLoss { get; }

    internal Curve F1 { get; }

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
        Texts = [.. curve.At.Select(at => NumberText.Whole(at))],
    };

    /// <summary>What the subtitle says about the stretching.</summary>
    internal string Remark(double ourUpdates) => Math.Abs(ourUpdates - Updates) < 1
        ? $"Grey: the published run {Name}."
        : Invariant($"Grey: the published run {Name}, its {Updates:N0} updates drawn at the length of ours.");
}
