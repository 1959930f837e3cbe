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

    internal static Chart Drawn(Figure figure, string json) =>
        new(figure.Title, figure.Subtitle, figure.Summary, json, (figure.HeightPixels, figure.LeastWidthPixels), null);

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
}
