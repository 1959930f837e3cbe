using NotebookLib.Html;
using NotebookLib.Platform;

namespace NotebookLib.Charts;

/// <summary>
/// A chart as an HTML fragment: a box with the figure as data, a small script that draws it when plotly.js is on the page, and the same in words for readers
/// and hosts without scripts. Text and grid take the colours of the place where the chart stands.
/// </summary>
public sealed class Chart : HtmlView
{
    private const string Style = ".nl-chart{width:100%}.nl-chart .nl-plot{width:100%}.nl-chart .nl-words{white-space:pre-wrap;opacity:.8}@media "
        + "print{.nl-chart-box{break-inside:avoid}}";

    private static readonly Lazy<string> DrawScript = new(() => $"<script>{EmbeddedText.Read("Charts/draw.js")}</script>");
    private readonly string? _empty;
    private readonly (int Height, int LeastWidth) _pixels;
    private readonly Lazy<bool> _carriesPlotly = new(PlotlyScript.ShouldCarry);

    private Chart(string title, string subtitle, string summary, string json, (int Height, int LeastWidth) pixels, string? empty) =>
        (Title, Subtitle, Summary, FigureJson, _pixels, _empty) = (title, subtitle, summary, json, pixels, empty);

    /// <summary>What is seen, in words.</summary>
    public string Title { get; }

    /// <summary>Units, and what the marks mean.</summary>
    public string Subtitle { get; }

    /// <summary>The extreme and last values, in words.</summary>
    public string Summary { get; }

    /// <summary>Plotly's JSON (data, layout); empty when there was nothing to draw.</summary>
    public string FigureJson { get; }

    /// <summary>True when there was nothing to draw: the view says why instead.</summary>
    public bool IsEmpty => _empty is not null;

    /// <summary>Draws a figure, through Plotly.NET in its own load context, into HTML that needs nothing of it.</summary>
    /// <param name="figure">What to show.</param>
    /// <param name="emptyReason">What the reader is told when there is not a single mark to draw.</param>
    internal static Chart Of(Figure figure, string emptyReason)
    {
        var traces = figure.Traces.Where(HasMarks).ToList();
        if (traces.Count == 0)
        {
            return Empty(figure.Title, emptyReason);
        }

        // A line of one point has no length: it is shown as a mark.
        traces = [.. traces.Select(trace =>
            trace is LineTrace { X.Count: 1, Marker: null } point ? point with { Marker = "circle", MarkerSizes = [8], Opacity = 1 } : trace)];
        return new(figure.Title, figure.Subtitle, figure.Summary, PlotlyBridge.ToPlotlyJson(figure with { Traces = traces }),
            (figure.HeightPixels, figure.LeastWidthPixels), null);
    }

    /// <summary>A name that comes from data, as Plotly may show it: its small markup language must not be spoken by a label.</summary>
    internal static string Name(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace("%{", "%&#123;", StringComparison.Ordinal);

    internal static Chart Empty(string title, string reason) => new(title, "", reason, "", default, reason);

    /// <inheritdoc />
    public override string ToHtml() =>
        IsEmpty ? new EmptyView(Title, _empty!).ToHtml() : Fragment() + (_carriesPlotly.Value ? PlotlyScript.Element : "") + DrawScript.Value;

    /// <inheritdoc />
    public override string ToText() => string.Join('\n', ((string[])[Title, Subtitle, Summary]).Where(line => line.Length > 0).Distinct());

    /// <summary>Saves the chart as one page that works offline: plotly.js (3.6 MB) is inside.</summary>
    /// <param name="path">The HTML file; written atomically.</param>
    /// <exception cref="IOException">The folder is not writable or the disk is full.</exception>
    public void SaveHtml(string path) => AtomicFile.WriteText(path, StandalonePage.Of(Title, IsEmpty ? ToHtml() : Fragment() + DrawScript.Value, !IsEmpty));

    // Single quotes around the JSON keep it readable: only & ' and < need encoding there.
    private string Fragment() => Markup.Fragment(
        "nl-chart-box",
        Markup.Heading(Title, Subtitle)
            + $"<div class=\"nl-chart\" role=\"img\" aria-label=\"{Markup.Escape(ToText())}\" data-figure='{AttributeText(FigureJson)}'>"
            + $"<div class=\"nl-plot\" style=\"min-height:{_pixels.Height}px{(_pixels.LeastWidth > 0 ? $";min-width:{_pixels.LeastWidth}px" : "")}\"></div>"
            + $"<div class=\"nl-words\" hidden>{Markup.Escape(Summary)} (The picture needs plotly.js: run the set-up cell again.)</div></div>",
        Style);

    private static string AttributeText(string json) =>
        json.Replace("&", "&amp;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    private static bool HasMarks(Trace trace) => trace switch
    {
        LineTrace line => line.X.Count > 0,
        BarTrace bar => bar.Labels.Count > 0,
        HeatTrace heat => heat.Rows.Count > 0 && heat.Columns.Count > 0,
        _ => false,
    };
}
