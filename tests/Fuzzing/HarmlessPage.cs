using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>
/// What a page may do whatever stands in the data that it shows: nothing but its own scripts runs, nothing is loaded, links only lead somewhere.
/// </summary>
internal static class HarmlessPage
{
    private const string Active = "iframe, frame, object, embed, applet, base, form, link, svg, math, meta[http-equiv=refresh], audio, video, template";
    private static readonly string[] s_links = ["href", "xlink:href", "action", "formaction", "ping", "background", "poster", "data", "srcset"];
    private static readonly string[] s_schemes = ["http", "https", "mailto", "file"];

    /// <summary>Reads a page as a browser does.</summary>
    /// <param name="html">The page.</param>
    /// <param name="scripts">Scripts that belong to it.</param>
    /// <exception cref="InvalidOperationException">Something of the data became part of the page.</exception>
    public static void Check(string html, params string[] scripts)
    {
        var page = new HtmlParser().ParseDocument(html);
        Refuse(page.QuerySelector(Active));
        Refuse(page.QuerySelectorAll("script").FirstOrDefault(script => script.HasAttribute("src") || !scripts.Contains(script.TextContent.Trim())));
        foreach (var element in page.All)
        {
            foreach (var attribute in element.Attributes)
            {
                if (attribute.Name.StartsWith("on", StringComparison.OrdinalIgnoreCase)
                    || (attribute.Name == "src" && !attribute.Value.StartsWith("data:image/", StringComparison.Ordinal))
                    || (s_links.Contains(attribute.Name) && !IsHarmless(attribute.Value)))
                {
                    Refuse(element);
                }
            }
        }
    }

    /// <summary>A browser passes over blanks and control characters before a scheme and line ends within.</summary>
    private static bool IsHarmless(string url)
    {
        var seen = string.Concat(url.Where(letter => letter > ' '));
        var end = seen.AsSpan().IndexOfAny(":/?#");
        return end < 0 || seen[end] != ':' || s_schemes.Contains(seen[..end], StringComparer.OrdinalIgnoreCase);
    }

    private static void Refuse(IElement? element)
    {
        if (element is not null)
        {
            throw new InvalidOperationException($"data became part of the page: {element.OuterHtml[..Math.Min(300, element.OuterHtml.Length)]}");
        }
    }
}
