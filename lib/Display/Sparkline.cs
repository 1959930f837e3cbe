using NotebookLib.Html;
using NotebookLib.Training;

namespace NotebookLib.Display;

/// <summary>The loss as a small curve: training as a line, evaluations as dots, logarithmic upwards, the whole run from left to right.</summary>
internal static class Sparkline
{
    private const double Width = 600;
    private const double Height = 60;
    private const int MostPoints = 200;

    /// <summary>The SVG, or nothing while there are no two points.</summary>
    public static string Of(IReadOnlyList<LoggedStep> steps, IReadOnlyList<LoggedEvaluation> evaluations, int updates)
    {
        var line = steps.Where(step => step.Loss > 0 && double.IsFinite(step.Loss)).Select(step => (X: (double)step.Update, Y: Math.Log(step.Loss))).ToList();
        if (line.Count < 2)
        {
            return "";
        }

        var dots = evaluations.Where(evaluation => evaluation.Loss > 0 && double.IsFinite(evaluation.Loss))
            .Select(evaluation => (X: (double)evaluation.Update, Y: Math.Log(evaluation.Loss))).ToList();
        var (low, high) = (line.Concat(dots).Min(point => point.Y), line.Concat(dots).Max(point => point.Y));
        string Place((double X, double Y) point) =>
            $"{Markup.Number(4 + (point.X / Math.Max(1, updates) * (Width - 8)))},"
                + $"{Markup.Number(4 + ((high - point.Y) / Math.Max(1e-9, high - low) * (Height - 8)))}";
        var points = string.Join(' ', Averaged(line).Select(Place));
        // A line of no length with round ends stays a round dot when the picture is stretched.
        var marks = string.Concat(dots.Select(dot => $"<path d=\"M{Place(dot)}h0\" stroke=\"#d55e00\" stroke-width=\"7\" stroke-linecap=\"round\" "
            + "vector-effect=\"non-scaling-stroke\"/>"));
        return $"<svg viewBox=\"0 0 {Markup.Number(Width)} {Markup.Number(Height)}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"loss over "
            + "updates, logarithmic\">"
            + $"<title>Loss over updates, logarithmic: training (line), evaluation (dots)</title><polyline points=\"{points}\" fill=\"none\" "
                + $"stroke=\"#0072b2\" stroke-width=\"1.8\" vector-effect=\"non-scaling-stroke\"/>{marks}</svg>";
    }

    /// <summary>Means of neighbours, so that a long run stays a small picture.</summary>
    private static IEnumerable<(double X, double Y)> Averaged(List<(double X, double Y)> points)
    {
        var size = (points.Count + MostPoints - 1) / MostPoints;
        return points.Chunk(size).Select(chunk => (chunk.Average(point => point.X), chunk.Average(point => point.Y)));
    }
}
