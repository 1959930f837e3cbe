using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace NotebookLib.Html;

/// <summary>The few steps that every view shares: escaping, and the wrapper that brings the style along.</summary>
internal static class Markup
{
    // Letters of every script stay readable in the source of a saved page; < > & " ' and everything that is no character are encoded.
    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);

    private static readonly Lazy<string> Style = new(() => EmbeddedText.Read("Html/views.css"));

    /// <summary>Text as it may stand between tags and inside quoted attributes.</summary>
    public static string Escape(string? text) => string.IsNullOrEmpty(text) ? "" : Encoder.Encode(text);

    /// <summary>A whole fragment: the style, then the content in its own box.</summary>
    /// <param name="kind">The view's own class, for instance <c>nl-card</c>; constant.</param>
    /// <param name="body">Content, escaped already.</param>
    /// <param name="extraStyle">Rules that only this kind of view needs; constant.</param>
    public static string Fragment(string kind, string body, string extraStyle = "") =>
        $"<style>{Style.Value}{extraStyle}</style><div class=\"nl {kind}\">{body}</div>";

    /// <summary>A title line, and under it, when there is one, a line that says more.</summary>
    public static string Heading(string title, string? subtitle = null) =>
        $"<div class=\"nl-title\">{Escape(title)}</div>" + (string.IsNullOrEmpty(subtitle) ? "" : $"<div class=\"nl-sub\">{Escape(subtitle)}</div>");

    /// <summary>A number for attributes and styles: invariant, no more digits than a screen can show.</summary>
    public static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
