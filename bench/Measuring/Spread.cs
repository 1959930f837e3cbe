using System.Globalization;

namespace NotebookLib.Bench.Measuring;

/// <summary>What several measurements of one quantity came to.</summary>
/// <param name="Median">The middle one, or the mean of the middle two.</param>
/// <param name="Low">The smallest.</param>
/// <param name="High">The largest.</param>
internal sealed record Spread(double Median, double Low, double High)
{
    /// <summary>Sums up at least one measurement.</summary>
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        return new(sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2, sorted[0], sorted[^1]);
    }

    /// <summary>For instance <c>3.12 (3.05–3.20)</c>.</summary>
    /// <param name="format">A standard or custom number format.</param>
    public string ToText(string format) =>
        Low == High ? Text(Median, format) : $"{Text(Median, format)} ({Text(Low, format)}–{Text(High, format)})";

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
