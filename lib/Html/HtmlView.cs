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

/// <summary>What is shown instead of a chart or table that has nothing to show: its title, and why it is empty.</summary>
/// <param name="title">What would have been seen.</param>
/// <param name="reason">Why there is nothing, and what would change that.</param>
internal sealed class EmptyView(string title, string reason) : HtmlView
{
    /// <inheritdoc />
    public override string ToHtml() =>
        Markup.Fragment("nl-nothing", $"<div class=\"nl-empty\">{Markup.Heading(title)}<div>{Markup.Escape(reason)}</div></div>");

    /// <inheritdoc />
    public override string ToText() => $"{title}\n({reason})";
}

/// <summary>Views below one another, shown and replaced as one.</summary>
/// <param name="views">Top to bottom.</param>
internal sealed class StackView(params IReadOnlyList<HtmlView> views) : HtmlView
{
    /// <summary>Top to bottom.</summary>
    public IReadOnlyList<HtmlView> Views { get; } = views;

    /// <inheritdoc />
    public override string ToHtml() => string.Concat(Views.Select(view => view.ToHtml()));

    /// <inheritdoc />
    public override string ToText() => string.Join("\n\n", Views.Select(view => view.ToText()));
}

/// <summary>
/// Names the class that makes a type's formatters. .NET Interactive knows this attribute by its simple name alone, wherever it is defined
/// (dotnet/interactive 098a01b docs/formatting.md and src/Microsoft.DotNet.Interactive.Formatting/Formatter.cs L553).
/// </summary>
/// <param name="formatterSourceType">A class with a parameterless constructor and <c>CreateTypeFormatters()</c>.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, Inherited = true)]
internal sealed class TypeFormatterSourceAttribute(Type formatterSourceType) : Attribute
{
    /// <summary>The class whose <c>CreateTypeFormatters()</c> is called.</summary>
    public Type FormatterSourceType { get; } = formatterSourceType;

    /// <summary>Both forms are kept, best first, so that a saved notebook also reads well where HTML is not shown.</summary>
    public string[] PreferredMimeTypes { get; } = ["text/html", "text/plain"];
}

/// <summary>What the host calls, by name, to learn how an <see cref="HtmlView"/> is written.</summary>
internal sealed class HtmlViewFormatterSource
{
    /// <summary>One formatter for each MIME type, each with <c>MimeType</c> and <c>Format</c>, as the convention asks.</summary>
#pragma warning disable CA1822 // The host creates an instance and calls the method on it.
    public IEnumerable<object> CreateTypeFormatters() =>
        [new ViewFormatter("text/html", view => view.ToHtml()), new ViewFormatter("text/plain", view => view.ToText())];
#pragma warning restore CA1822

    /// <summary>Writes one form of a view.</summary>
    /// <param name="mimeType">The form that this formatter writes.</param>
    /// <param name="write">Makes the text of a view.</param>
    internal sealed class ViewFormatter(string mimeType, Func<HtmlView, string> write)
    {
        /// <summary>The form that this formatter writes.</summary>
        public string MimeType { get; } = mimeType;

        /// <summary>Writes the value when it is a view.</summary>
        /// <returns>False when it is not, so that the host tries its next formatter.</returns>
        public bool Format(object value, TextWriter writer)
        {
            if (value is not HtmlView view)
            {
                return false;
            }

            writer.Write(write(view));
            return true;
        }
    }
}
