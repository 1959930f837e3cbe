using System.Text.Json;
using Plotly.NET;
using Plotly.NET.CSharp;
using Plotly.NET.LayoutObjects;
using PlotlyChart = Plotly.NET.CSharp.Chart;
using PlotlyTrace = Plotly.NET.Trace;

namespace NotebookLib.Charts;

/// <summary>Turns figures into Plotly.NET charts. Runs only inside <see cref="PlotlyLoadContext"/>; nothing else names a type of Plotly.NET.</summary>
internal static class PlotlyFigures
{
    private const string ScriptResource = "Plotly.NET.plotly-2.28.0.min.js";

    /// <summary>Makes Plotly's JSON (data, layout) of a figure's JSON.</summary>
    public static string ToPlotlyJson(string figureJson)
    {
        var figure = JsonSerializer.Deserialize<Figure>(figureJson)!;
        var chart = PlotlyChart.Combine(figure.Traces.Select(ChartOf));
        return GenericChart.toFigureJson(GenericChart.setLayout(LayoutOf(figure), chart));
    }

    /// <summary>The plotly.js that Plotly.NET embeds.</summary>
    /// <exception cref="InvalidOperationException">Plotly.NET.dll carries another version than this code was written for.</exception>
    public static string ScriptText()
    {
        using var stream = typeof(GenericChart).Assembly.GetManifestResourceStream(ScriptResource)
            ?? throw new InvalidOperationException($"Plotly.NET.dll carries no {ScriptResource}; expected Plotly.NET 6.0.0, "
                + $"found {typeof(GenericChart).Assembly.GetName().Version}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static GenericChart ChartOf(Trace trace)
    {
        var chart = trace switch
        {
            LineTrace line => LineOf(line),
            BarTrace bar => BarOf(bar),
            HeatTrace heat => HeatOf(heat),
            _ => throw new ArgumentException($"Trace {trace.GetType().Name}: expected a line, bar or heat trace.", nameof(trace)),
        };
        foreach (var drawn in chart.GetTraces())
        {
            SetCommon(drawn, trace);
        }

        return chart;
    }

    private static void SetCommon(PlotlyTrace drawn, Trace trace)
    {
        drawn.SetProperty("hovertemplate", trace.Hover);
        drawn.SetProperty("opacity", trace.Opacity);
        drawn.SetProperty("showlegend", trace.IsInLegend);
        if (trace.OnRightAxis)
        {
            drawn.SetProperty("yaxis", "y2");
        }

        if (trace.Texts is { } texts)
        {
            drawn.SetProperty("text", texts);
            drawn.SetProperty("textposition", trace is BarTrace ? "none" : "top center");
        }
    }

    private static GenericChart LineOf(LineTrace line)
    {
        var mode = line switch
        {
            { WidthPixels: 0 } => StyleParam.Mode.Markers,
            // A line needs two points; one alone is a mark.
            { Marker: null, X.Count: > 1 } => StyleParam.Mode.Lines,
            _ => StyleParam.Mode.Lines_Markers,
        };
        var color = Color.fromHex(line.Color);
        var chart = PlotlyChart.Scatter<double, double, string>(line.X, line.Y, mode, Name: line.Name, LineColor: color, LineWidth: line.WidthPixels,
            UseDefaults: false);
        foreach (var drawn in chart.GetTraces())
        {
            drawn.SetProperty("line", new { color = line.Color, width = line.WidthPixels, dash = line.Dash });
            drawn.SetProperty("marker", new { color = line.Color, symbol = line.Marker ?? "circle", size = MarkerSize(line) });
        }

        return chart;
    }

    private static object MarkerSize(LineTrace line) => line.MarkerSizes switch
    {
        null => 7,
        { Count: 1 } sizes => sizes[0],
        { } sizes => sizes,
    };

    private static GenericChart BarOf(BarTrace bar)
    {
        var color = Color.fromHex(bar.Color);
        var chart = bar.IsHorizontal
            ? PlotlyChart.Bar<double, string, string>(bar.Values, Keys: new(bar.Labels, true), Name: bar.Name, MarkerColor: color, UseDefaults: false)
            : PlotlyChart.Column<double, string, string>(bar.Values, Keys: new(bar.Labels, true), Name: bar.Name, MarkerColor: color, UseDefaults: false);
        foreach (var drawn in chart.GetTraces())
        {
            drawn.SetProperty("marker", new { color = bar.Color, pattern = new { shape = bar.Hatch ?? "", fillmode = "overlay", size = 6, solidity = 0.35 } });
        }

        return chart;
    }

    private static GenericChart HeatOf(HeatTrace heat)
    {
        var chart = PlotlyChart.Heatmap<double, string, string, string>(heat.Shades, X: new(heat.Columns, true), Y: new(heat.Rows, true), Name: heat.Name,
            UseDefaults: false);
        foreach (var drawn in chart.GetTraces())
        {
            drawn.SetProperty("text", heat.CellTexts);
            drawn.SetProperty("texttemplate", "%{text}");
            drawn.SetProperty("colorscale", (object[])[(object[])[0, "rgba(0,114,178,0)"], (object[])[1, "rgba(0,114,178,0.72)"]]);
            drawn.SetProperty("zmin", 0);
            drawn.SetProperty("zmax", 1);
            drawn.SetProperty("showscale", false);
            drawn.SetProperty("xgap", 2);
            drawn.SetProperty("ygap", 2);
        }

        return chart;
    }

    // Colours of text and grid are left to the page's script: it knows the ink of the place where the chart stands.
    private static Layout LayoutOf(Figure figure)
    {
        var layout = new Layout();
        layout.SetProperty("xaxis", AxisOf(figure.X));
        layout.SetProperty("yaxis", AxisOf(figure.Y));
        if (figure.Right is { } right)
        {
            var axis = AxisOf(right);
            axis.SetProperty("overlaying", "y");
            axis.SetProperty("side", "right");
            axis.SetProperty("showgrid", false);
            layout.SetProperty("yaxis2", axis);
        }

        layout.SetProperty("height", figure.HeightPixels);
        layout.SetProperty("autosize", true);
        layout.SetProperty("barmode", "group");
        layout.SetProperty("bargap", 0.25);
        layout.SetProperty("hovermode", figure.HasUnifiedHover ? "x unified" : "closest");
        layout.SetProperty("margin", new { l = 64, r = figure.Right is null ? 24 : 64, t = 16, b = 52 });
        layout.SetProperty("legend", new { orientation = "h", x = 0, y = 1.02, xanchor = "left", yanchor = "bottom" });
        layout.SetProperty("paper_bgcolor", "rgba(0,0,0,0)");
        layout.SetProperty("plot_bgcolor", "rgba(0,0,0,0)");
        return layout;
    }

    private static LinearAxis AxisOf(Axis axis)
    {
        var drawn = new LinearAxis();
        drawn.SetProperty("title", new { text = axis.Title, standoff = 10, font = new { size = 13 } });
        drawn.SetProperty("automargin", true);
        drawn.SetProperty("zeroline", false);
        drawn.SetProperty("type", axis.IsCategory ? "category" : axis.IsLog ? "log" : "linear");
        if (axis.Format is { } format)
        {
            drawn.SetProperty("tickformat", format);
        }

        if (axis.LogTicks is { } ticks)
        {
            drawn.SetProperty("dtick", ticks == "1" ? 1 : ticks);
        }

        if (axis.Range is { } range)
        {
            drawn.SetProperty("range", range);
        }
        else if (axis.IsReversed)
        {
            drawn.SetProperty("autorange", "reversed");
        }
        else if (axis.FromZero)
        {
            drawn.SetProperty("rangemode", "tozero");
        }

        return drawn;
    }
}
