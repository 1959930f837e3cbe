using System.Globalization;
using NotebookLib.Training;

namespace NotebookLib.Charts;

/// <summary>What a run looked like, from its saved history: loss, learning rate, scores, speed and memory.</summary>
public static class TrainingCharts
{
    private const string NoUpdates = "No update is logged: the curve begins with the first log, and a run shorter than the interval between logs has none.";
    private static readonly Axis Updates = new("optimiser updates") { Format = ",d" };

    /// <summary>Training loss, raw and smoothed, and the loss of each evaluation.</summary>
    /// <param name="history">What the run logged; losses in nats per labelled piece.</param>
    /// <param name="published">The published run, if there is one to compare with.</param>
    public static Chart Loss(TrainingHistory history, PublishedCurves? published = null)
    {
        ArgumentNullException.ThrowIfNull(history);
        var training = Curve.Of(history.Steps, step => step.Update, step => step.Loss);
        var evaluation = EvaluationCurve(history, EvaluationResult.LossMetric);
        var length = LengthOf(training, evaluation);
        // Over about a twenty-fifth of the values.
        var smooth = training.Smoothed(1 - (1 / Math.Max(1.5, training.Count / 25.0)));
        List<Trace> traces =
        [
            .. Behind(published, p => p.Trace("evaluation loss", p.EvaluationLoss, length, "dash", ".4f")),
            new LineTrace("training, as logged", Hover("training loss", ".4f", " nats"), training.At, training.Values)
            {
                Color = Palette.Sky, Opacity = 0.55, WidthPixels = 1,
            },
            new LineTrace("training, smoothed", Hover("smoothed training loss", ".4f", " nats"), smooth.At, smooth.Values) { Color = Palette.Blue,
                WidthPixels = 2.5 },
            new LineTrace("evaluation", Hover("evaluation loss", ".4f", " nats"), evaluation.At, evaluation.Values) { Color = Palette.Vermilion,
                Marker = "diamond" },
        ];
        var figure = new Figure(
            "Loss while training",
            $"Cross-entropy in nats per labelled piece, logarithmic. {published?.Remark(length)}".TrimEnd(),
            Updates,
            new("loss, nats") { IsLog = true, LogTicks = "D2", Format = "~g" },
            traces)
        {
            Summary = Sentence(("training loss", smooth, "0.0000"), ("evaluation loss", evaluation, "0.0000")),
        };
        return training.Count + evaluation.Count == 0 ? Chart.Empty(figure.Title, NoUpdates) : Chart.Of(figure, NoUpdates);
    }

    /// <summary>The learning rate of each logged update.</summary>
    /// <param name="history">What the run logged.</param>
    public static Chart LearningRate(TrainingHistory history)
    {
        ArgumentNullException.ThrowIfNull(history);
        var learningRate = Curve.Of(history.Steps, step => step.Update, step => step.LearningRate);
        var trace = new LineTrace("learning rate", Hover("learning rate", ".3e", ""), learningRate.At, learningRate.Values)
        {
            IsInLegend = false,
            WidthPixels = 2.5
        };
        return Chart.Of(
            new("Learning rate", "As the schedule set it, for each logged update.", Updates, new("learning rate") { Format = ".1e", FromZero = true }, [trace])
            {
                HeightPixels = 240,
                Summary = Sentence(("learning rate", learningRate, "0.00e+0")),
            },
            NoUpdates);
    }

    /// <summary>Precision, recall and F1 of each evaluation, 0 to 1; the best F1 is marked.</summary>
    /// <param name="history">What the run logged.</param>
    /// <param name="published">The published run, if there is one to compare with.</param>
    public static Chart Scores(TrainingHistory history, PublishedCurves? published = null)
    {
        ArgumentNullException.ThrowIfNull(history);
        var (precision, recall, f1) = (EvaluationCurve(history, "precision"), EvaluationCurve(history, "recall"), EvaluationCurve(history, "f1"));
        var length = LengthOf(f1);
        List<Trace> traces =
        [
            .. Behind(published, p => p.Trace("F1", p.F1, length, "dash", ".3f")),
            ScoreTrace("precision", precision, Palette.Green, "triangle-up", "dot"),
            ScoreTrace("recall", recall, Palette.Vermilion, "square", "dashdot"),
            ScoreTrace("F1", f1, Palette.Blue, "circle", "solid"),
            .. BestOf(f1),
        ];
        var figure = new Figure(
            "Scores on the validation split",
            $"Whole entities, piece by piece, at each evaluation; the star is the best F1. {published?.Remark(length)}".TrimEnd(),
            Updates,
            new("score") { Format = ".2f", Range = ScoreRange([precision, recall, f1, published?.F1 ?? Curve.Empty]) },
            traces)
        {
            HasUnifiedHover = false,
            Summary = Sentence(("F1", f1, "0.000"), ("precision", precision, "0.000"), ("recall", recall, "0.000")),
        };
        const string none = "No evaluation is made: the curve begins with the first one, and a run without validation sentences has none.";
        return f1.Count == 0 ? Chart.Empty(figure.Title, none) : Chart.Of(figure, none);
    }

    /// <summary>Pieces without padding per second, and the process's memory, along the run.</summary>
    /// <param name="history">What the run logged.</param>
    public static Chart Speed(TrainingHistory history)
    {
        ArgumentNullException.ThrowIfNull(history);
        var speed = Curve.Of(history.Steps, step => step.ElapsedSeconds / 60, step => step.TokensPerSecond);
        var memory = Curve.Of(
            history.Steps.Where(step => step.MemoryBytes > 0), step => step.ElapsedSeconds / 60, step => step.MemoryBytes / (double)(1 << 30));
        List<Trace> traces =
        [
            new LineTrace("tokens per second", "minute %{x:.1f}<br>%{y:,.0f} tokens/s<extra></extra>", speed.At, speed.Values) { WidthPixels = 2 },
            new LineTrace("memory", "minute %{x:.1f}<br>%{y:.2f} GiB<extra></extra>", memory.At, memory.Values) { Color = Palette.Orange, Dash = "dash",
                OnRightAxis = true },
        ];
        return Chart.Of(
            new("Speed and memory", "Pieces without padding per second, left; resident memory of the process, right.", new("minutes since the start"),
                new("tokens/s") { FromZero = true, Format = "~s" }, traces)
            {
                Right = new("memory, GiB") { FromZero = true },
                Summary = Sentence(("tokens per second", speed, "N0"), ("memory in GiB", memory, "0.00")),
                HeightPixels = 300,
            },
            NoUpdates);
    }

    private static LineTrace ScoreTrace(string name, Curve curve, string color, string marker, string dash) =>
        new(name, Hover(name, ".3f", ""), curve.At, curve.Values) { Color = color, Marker = marker, Dash = dash };

    /// <summary>The scores' own range with a little air, but nothing beyond 0 and 1.</summary>
    private static double[] ScoreRange(IReadOnlyList<Curve> curves)
    {
        var values = curves.SelectMany(curve => curve.Values).DefaultIfEmpty(0).ToList();
        var air = Math.Max(0.02, 0.06 * (values.Max() - values.Min()));
        return [Math.Max(-0.01, values.Min() - air), Math.Min(1.01, values.Max() + air)];
    }

    private static IEnumerable<Trace> BestOf(Curve f1)
    {
        if (f1.Count > 0)
        {
            var best = f1.Values.Index().MaxBy(value => value.Item).Index;
            yield return new LineTrace("best F1", "best, update %{x:,d}<br>F1 %{y:.3f}<extra></extra>", [f1.At[best]], [f1.Values[best]])
            {
                Color = Palette.Orange,
                Marker = "star",
                MarkerSizes = [14],
                WidthPixels = 0,
            };
        }
    }

    private static IEnumerable<Trace> Behind(PublishedCurves? published, Func<PublishedCurves, Trace> trace) => published is null ? [] : [trace(published)];

    private static string Hover(string what, string format, string unit) => $"update %{{x:,d}}<br>{what} %{{y:{format}}}{unit}<extra></extra>";

    private static double LengthOf(params Curve[] curves) => curves.Where(curve => curve.Count > 0).Select(curve => curve.At[^1]).DefaultIfEmpty(0).Max();

    private static Curve EvaluationCurve(TrainingHistory history, string metric) =>
        Curve.Of(history.Evaluations, evaluation => evaluation.Update, evaluation => evaluation.Metrics.GetValueOrDefault(metric, double.NaN));

    private static string Sentence(params (string Name, Curve Curve, string Format)[] parts) =>
        string.Join("; ", parts.Where(part => part.Curve.Count > 0).Select(part =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{part.Name} from {Text(part.Curve.Values[0], part.Format)} to {Text(part.Curve.Values[^1], part.Format)} (lowest "
                + $"{Text(part.Curve.Values.Min(), part.Format)}, highest {Text(part.Curve.Values.Max(), part.Format)})")));

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
