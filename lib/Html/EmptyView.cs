namespace NotebookLib.Html;

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
