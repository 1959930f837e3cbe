using System.Text;

namespace NotebookLib.Html;

/// <summary>One fact on a card.</summary>
/// <param name="Label">What it is.</param>
/// <param name="Value">With unit.</param>
/// <param name="Hint">What it means, or how it came about.</param>
/// <param name="Link">Where the value leads: an address beginning with http; anything else is not linked.</param>
internal sealed record Fact(string Label, string Value, string Hint = "", string Link = "");

/// <summary>A card: facts about one thing, warnings first, tables below.</summary>
public sealed class CardView : HtmlView
{
    private const string Style = ".nl-card{border:1px solid var(--nl-line);border-radius:8px;padding:.7em 1em}"
        + ".nl-card dl{display:grid;grid-template-columns:max-content 1fr;gap:.12em 1.2em;margin:.4em 0}.nl-card dt{opacity:.74}.nl-card "
            + "dd{margin:0;overflow-wrap:anywhere}";

    /// <summary>Makes a card.</summary>
    /// <param name="title">The thing.</param>
    /// <param name="facts">What there is to know.</param>
    internal CardView(string title, IReadOnlyList<Fact> facts) => (Title, Facts) = (title, facts);

    /// <summary>The thing.</summary>
    public string Title { get; }

    /// <summary>What there is to know.</summary>
    internal IReadOnlyList<Fact> Facts { get; }

    /// <summary>A line under the title.</summary>
    public string Subtitle { get; init; } = "";

    /// <summary>What the reader should not overlook.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Tables below the facts.</summary>
    public IReadOnlyList<TableView> Tables { get; init; } = [];

    /// <inheritdoc />
    public override string ToHtml()
    {
        var html = new StringBuilder(Markup.Heading(Title, Subtitle));
        foreach (var warning in Warnings)
        {
            html.Append("<div class=\"nl-warning\">⚠ ").Append(Markup.Escape(warning)).Append("</div>");
        }

        html.Append(Facts.Count == 0 ? "" : "<dl>");
        foreach (var fact in Facts)
        {
            html.Append("<dt>").Append(Markup.Escape(fact.Label)).Append("</dt><dd>").Append(ValueOf(fact))
                .Append(fact.Hint.Length == 0 ? "" : $" <span class=\"nl-dim\">{Markup.Escape(fact.Hint)}</span>").Append("</dd>");
        }

        html.Append(Facts.Count == 0 ? "" : "</dl>");
        foreach (var table in Tables)
        {
            html.Append(table.Body());
        }

        return Markup.Fragment("nl-card", html.ToString(), Style);
    }

    private static string ValueOf(Fact fact) =>
        fact.Link.StartsWith("https://", StringComparison.Ordinal) || fact.Link.StartsWith("http://", StringComparison.Ordinal)
            ? $"<a href=\"{Markup.Escape(fact.Link)}\" rel=\"noopener\">{Markup.Escape(fact.Value)}</a>"
            : Markup.Escape(fact.Value);

    /// <inheritdoc />
    public override string ToText()
    {
        var width = Facts.Select(fact => fact.Label.Length).DefaultIfEmpty(0).Max();
        var lines = new List<string> { Title };
        lines.AddRange(((string[])[Subtitle]).Where(line => line.Length > 0));
        lines.AddRange(Warnings.Select(warning => "! " + warning));
        lines.AddRange(Facts.Select(fact => $"  {fact.Label.PadRight(width)}  {fact.Value}{(fact.Hint.Length == 0 ? "" : $"  ({fact.Hint})")}"));
        lines.AddRange(Tables.Select(table => "\n" + table.ToText()));
        return string.Join('\n', lines);
    }
}
