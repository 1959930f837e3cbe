using System.Net;
using System.Text.RegularExpressions;
using NotebookRunner.Kernel;
using NotebookRunner.Running;

namespace NotebookRunner.Pages;

/// <summary>What a cell showed, as HTML. One instance per page: style sheets that come with every value are put in once.</summary>
internal sealed partial class OutputView(Func<string, string> markdownToHtml)
{
    /// <summary>The class that marks a chart, and with it the need for plotly.js.</summary>
    public const string ChartMarker = "nl-chart";

    private readonly HashSet<string> _styles = new(StringComparer.Ordinal);

    /// <summary>Renders one output.</summary>
    public string ToHtml(CellOutput output) => output switch
    {
        StreamOutput { Name: "stderr" } stream => $"<pre class=\"stream stderr\">{AnsiText.ToHtml(stream.Text)}</pre>",
        StreamOutput stream => $"<pre class=\"stream\">{AnsiText.ToHtml(stream.Text)}</pre>",
        DisplayOutput display => $"<div class=\"display\">{BestOf(display.Data)}</div>",
        _ => throw new ArgumentException($"no view for {output.GetType()}", nameof(output)),
    };

    /// <summary>Renders an error, with its place in the cell and in the file.</summary>
    public static string ToHtml(CellError error, CellState cell, string notebookName)
    {
        var place = error.Line > 0 ? $"line {error.Line} of this cell" : "this cell";
        place += cell.ErrorLine > 0 ? $", {WebUtility.HtmlEncode(notebookName)} line {cell.ErrorLine}" : "";
        var listing = $"<pre>{AnsiText.ToHtml(error.Details)}</pre>";
        var isTrace = error.Details.TrimStart().StartsWith("at ", StringComparison.Ordinal);
        var details = error.Details.Length == 0 ? "" : isTrace ? $"<details><summary>where it happened</summary>{listing}</details>" : listing;
        return $"<div class=\"error\" role=\"alert\"><p><strong>{WebUtility.HtmlEncode(error.Name)}</strong> <span class=\"place\">{place}</span></p>"
            + $"<p class=\"message\">{WebUtility.HtmlEncode(error.Message)}</p>{details}</div>";
    }

    /// <summary>Whether a page with this output needs plotly.js.</summary>
    public static bool NeedsPlotly(CellOutput output) =>
        output is DisplayOutput display && display.Data.TryGetValue("text/html", out var html) && html.Contains(ChartMarker, StringComparison.Ordinal);

    private string BestOf(IReadOnlyDictionary<string, string> data)
    {
        if (data.TryGetValue("text/html", out var html))
        {
            return StyleElement().Replace(html, style => _styles.Add(style.Value) ? style.Value : "");
        }

        foreach (var (mimeType, content) in data.Where(pair => pair.Key.StartsWith("image/", StringComparison.Ordinal)))
        {
            var base64 = mimeType == "image/svg+xml" ? Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(content)) : content;
            return $"<img alt=\"\" src=\"data:{WebUtility.HtmlEncode(mimeType)};base64,{WebUtility.HtmlEncode(base64)}\">";
        }

        return data.TryGetValue("text/markdown", out var markdown)
            ? markdownToHtml(markdown)
            : $"<pre>{AnsiText.ToHtml(data.GetValueOrDefault("text/plain") ?? data.Values.FirstOrDefault() ?? "")}</pre>";
    }

    [GeneratedRegex(@"<style\b[^>]*>.*?</style>", RegexOptions.Singleline | RegexOptions.IgnoreCase)]
    private static partial Regex StyleElement();
}
