namespace NotebookLib.Html;

/// <summary>
/// Something to look at: one HTML fragment, and the same content as plain text for a console or a screen reader. Every host that formats values the way
/// .NET Interactive does (Polyglot, Verso, this project's runner) finds the formatters through <see cref="TypeFormatterSourceAttribute"/>, so a view looks the
/// same everywhere and this library references none of them.
/// </summary>
[TypeFormatterSource(typeof(HtmlViewFormatterSource))]
public abstract class HtmlView
{
    /// <summary>The fragment: self-contained (its own style, nothing from the network), every text from outside escaped.</summary>
    public abstract string ToHtml();

    /// <summary>The same content as plain text, lines of at most about 120 characters.</summary>
    public abstract string ToText();

    /// <inheritdoc cref="ToText"/>
    public sealed override string ToString() => ToText();
}
