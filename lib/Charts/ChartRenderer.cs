namespace NotebookLib.Charts;

/// <summary>Draws figures: through Plotly.NET in its own load context, into HTML that needs nothing of it.</summary>
internal static class ChartRenderer
{
    /// <summary>Draws a figure.</summary>
    /// <param name="figure">What to show.</param>
    /// <param name="emptyReason">What the reader is told when there is not a single mark to draw.</param>
    public static Chart Render(Figure figure, string emptyReason)
    {
        var traces = figure.Traces.Where(HasMarks).ToList();
        if (traces.Count == 0)
        {
            return Chart.Empty(figure.Title, emptyReason);
        }

        // A line of one point has no length: it is shown as a mark.
        traces = [.. traces.Select(trace =>
            trace is LineTrace { X.Count: 1, Marker: null } point ? point with { Marker = "circle", MarkerSizes = [8], Opacity = 1 } : trace)];
        return Chart.Drawn(figure, PlotlyBridge.ToPlotlyJson(figure with { Traces = traces }));
    }

    /// <summary>A name that comes from data, as Plotly may show it: its small markup language must not be spoken by a label.</summary>
    public static string Name(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace("%{", "%&#123;", StringComparison.Ordinal);

    private static bool HasMarks(Trace trace) => trace switch
    {
        LineTrace line => line.X.Count > 0,
        BarTrace bar => bar.Labels.Count > 0,
        HeatTrace heat => heat.Rows.Count > 0 && heat.Columns.Count > 0,
        _ => false,
    };
}
