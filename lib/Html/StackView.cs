namespace NotebookLib.Html;

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
