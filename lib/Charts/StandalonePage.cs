using NotebookLib.Html;

namespace NotebookLib.Charts;

/// <summary>
/// A whole page around fragments, for files that are opened by themselves: light and dark as the reader's system is, nothing from the network.
/// </summary>
internal static class StandalonePage
{
    /// <summary>The page's HTML.</summary>
    /// <param name="title">The page's title; escaped here.</param>
    /// <param name="body">Fragments, escaped already.</param>
    /// <param name="needsPlotly">Whether charts are among them.</param>
    public static string Of(string title, string body, bool needsPlotly) => $$"""
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{{(needsPlotly ? PagePolicy.Content : PagePolicy.WithoutScripts)}}">
        <meta name="viewport" content="width=device-width,initial-scale=1"><title>{{Markup.Escape(title)}}</title>
        <style>
        :root { color-scheme: light dark }
        body { margin: 2em auto; max-width: 980px; padding: 0 1em; font-family: system-ui, "Segoe UI", Roboto, sans-serif; background: #fff; color: #1f2328 }
        @media (prefers-color-scheme: dark) { body { background: #16181d; color: #e3e6ea } }
        </style>
        {{(needsPlotly ? PlotlyScript.Element : "")}}
        </head><body>
        {{body}}
        </body></html>
        """;
}
