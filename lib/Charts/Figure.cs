using System.Text.Json.Serialization;

namespace NotebookLib.Charts;

/// <summary>What a chart shows, in plain data: it crosses into Plotly.NET's load context as JSON, so it holds no type of either side.</summary>
/// <param name="Title">What is seen, in words.</param>
/// <param name="Subtitle">Units, smoothing, what the marks mean.</param>
/// <param name="X">The horizontal axis.</param>
/// <param name="Y">The vertical axis.</param>
/// <param name="Traces">What is drawn, from back to front.</param>
internal sealed record Figure(string Title, string Subtitle, Axis X, Axis Y, IReadOnlyList<Trace> Traces)
{
    /// <summary>A second vertical axis on the right, for traces with <see cref="Trace.OnRightAxis"/>.</summary>
    public Axis? Right { get; init; }

    /// <summary>Height in pixels.</summary>
    public int HeightPixels { get; init; } = 360;

    /// <summary>Least width in pixels at which it can be read; on a narrower screen it scrolls.</summary>
    public int LeastWidthPixels { get; init; }

    /// <summary>One hover box for all traces at the same x.</summary>
    public bool HasUnifiedHover { get; init; }

    /// <summary>A sentence for readers without pictures: the extreme and last values.</summary>
    public string Summary { get; init; } = "";
}

/// <summary>One axis.</summary>
/// <param name="Title">Name and unit.</param>
internal sealed record Axis(string Title)
{
    /// <summary>A d3 number format, for instance <c>.2f</c>, <c>,d</c>, <c>.0%</c>.</summary>
    public string? Format { get; init; }

    /// <summary>Logarithmic.</summary>
    public bool IsLog { get; init; }

    /// <summary>Which ticks a logarithmic axis names: 1 for powers of ten, <c>D2</c> for 1, 2 and 5 of each.</summary>
    public string? LogTicks { get; init; }

    /// <summary>Names instead of numbers.</summary>
    public bool IsCategory { get; init; }

    /// <summary>The first category on top.</summary>
    public bool IsReversed { get; init; }

    /// <summary>Starts at zero.</summary>
    public bool FromZero { get; init; }

    /// <summary>Lowest and highest value shown, in the axis's own units (exponents on a logarithmic one).</summary>
    public double[]? Range { get; init; }
}

/// <summary>Something drawn with one colour and one name.</summary>
/// <param name="Name">As the legend says it.</param>
/// <param name="Hover">Plotly's hover template with units; <c>%{x}</c>, <c>%{y}</c>, <c>%{z}</c>, <c>%{text}</c> are filled in.</param>
[JsonPolymorphic]
[JsonDerivedType(typeof(LineTrace), "line")]
[JsonDerivedType(typeof(BarTrace), "bar")]
[JsonDerivedType(typeof(HeatTrace), "heat")]
internal abstract record Trace(string Name, string Hover)
{
    /// <summary>One of <see cref="Palette"/>.</summary>
    public string Color { get; init; } = Palette.Blue;

    /// <summary>0 to 1.</summary>
    public double Opacity { get; init; } = 1;

    /// <summary>Measured on the right axis.</summary>
    public bool OnRightAxis { get; init; }

    /// <summary>Named in the legend.</summary>
    public bool IsInLegend { get; init; } = true;

    /// <summary>A text for each mark, shown in the hover box.</summary>
    public IReadOnlyList<string>? Texts { get; init; }
}

/// <summary>Points joined by a line, or points alone.</summary>
/// <param name="Name">As the legend says it.</param>
/// <param name="Hover">Plotly's hover template.</param>
/// <param name="X">Horizontal places.</param>
/// <param name="Y">Values, one for each place.</param>
internal sealed record LineTrace(string Name, string Hover, IReadOnlyList<double> X, IReadOnlyList<double> Y) : Trace(Name, Hover)
{
    /// <summary>Width in pixels; 0 draws no line.</summary>
    public double WidthPixels { get; init; } = 2;

    /// <summary>solid, dot, dash or dashdot.</summary>
    public string Dash { get; init; } = "solid";

    /// <summary>A marker at each point: circle, square, diamond, triangle-up, x, star; null for none.</summary>
    public string? Marker { get; init; }

    /// <summary>Diameter of the markers in pixels, one for all or one for each.</summary>
    public IReadOnlyList<double>? MarkerSizes { get; init; }
}

/// <summary>Bars.</summary>
/// <param name="Name">As the legend says it.</param>
/// <param name="Hover">Plotly's hover template.</param>
/// <param name="Labels">A name for each bar.</param>
/// <param name="Values">A length for each bar.</param>
internal sealed record BarTrace(string Name, string Hover, IReadOnlyList<string> Labels, IReadOnlyList<double> Values) : Trace(Name, Hover)
{
    /// <summary>Lying bars, labels on the vertical axis.</summary>
    public bool IsHorizontal { get; init; }

    /// <summary>A hatch for readers who do not see the colour: "/", "x", ".", or null.</summary>
    public string? Hatch { get; init; }
}

/// <summary>A matrix in shades.</summary>
/// <param name="Name">As the hover box says it.</param>
/// <param name="Hover">Plotly's hover template.</param>
/// <param name="Columns">A name for each column.</param>
/// <param name="Rows">A name for each row.</param>
/// <param name="Shades">[rows][columns], 0 to 1: how dark a cell is.</param>
/// <param name="CellTexts">[rows][columns]: what a cell says.</param>
internal sealed record HeatTrace(
    string Name, string Hover, IReadOnlyList<string> Columns, IReadOnlyList<string> Rows, IReadOnlyList<double[]> Shades, IReadOnlyList<string[]> CellTexts)
        : Trace(Name, Hover);
