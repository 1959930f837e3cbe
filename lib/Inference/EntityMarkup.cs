using System.Globalization;
using System.Text;
using NotebookLib.Html;
using NotebookLib.Metrics;

namespace NotebookLib.Inference;

/// <summary>What an entity in a running text is shown as.</summary>
/// <param name="Entity">Its words and type.</param>
/// <param name="Remark">Why it is worth a second look, shown beside the type; empty when all is well.</param>
internal readonly record struct MarkedEntity(Entity Entity, string Remark = "");

/// <summary>Draws entities into running text, in the manner of displaCy: tinted words, the type in small capitals behind them.</summary>
internal static class EntityMarkup
{
    /// <summary>
    /// Okabe and Ito's colours as tints, so that the text keeps the page's ink; the types of a label set take them in turn, the eighth again the first but
    /// dashed.
    /// </summary>
    public const string Style = ".nl-text{line-height:2.25;overflow-wrap:anywhere}.nl-text+.nl-text{margin-top:.2em}.nl-running{white-space:pre-wrap}"
        + ".nl-e{padding:.22em .4em;margin:0 .1em;border-radius:.4em;background:rgba(var(--c),.24);border:1.5px solid "
            + "rgba(var(--c),.75);color:inherit;line-height:1;box-decoration-break:clone;-webkit-box-decoration-break:clone}"
        + ".nl-e b{font-size:.68em;font-weight:700;letter-spacing:.03em;margin-left:.45em;vertical-align:.08em;opacity:.85}"
        + ".nl-e i{font-size:.72em;font-style:normal;margin-left:.4em}"
        + ".nl-e.nl-odd{border:2px dashed rgba(213,94,0,.95)}"
        + ".nl-c0{--c:0,114,178}.nl-c1{--c:230,159,0}.nl-c2{--c:0,158,115}"
        + ".nl-c3{--c:204,121,167}.nl-c4{--c:213,94,0}.nl-c5{--c:86,180,233}.nl-c6{--c:150,150,150}.nl-again{border-style:dotted}"
        + ".nl-line{display:grid;grid-template-columns:5.2em 1fr;gap:.2em "
            + ".6em;align-items:baseline}.nl-line>.nl-who{opacity:.7;font-size:.85em;text-align:right}"
        + ".nl-pair{border-top:1px solid var(--nl-line);padding:.35em 0}";

    private const int ColorCount = 7;

    /// <summary>A text with its entities.</summary>
    /// <param name="words">The words.</param>
    /// <param name="entities">In reading order, none overlapping another.</param>
    /// <param name="types">All types, in the label set's order: they give the colours.</param>
    public static string ToHtml(IReadOnlyList<string> words, IEnumerable<MarkedEntity> entities, IReadOnlyList<string> types)
    {
        var parts = new List<string>();
        var next = 0;
        foreach (var (entity, remark) in entities)
        {
            parts.Add(WordsHtml(words, next, entity.Start));
            parts.Add($"<mark class=\"{ClassOf(entity.Type, types)}{(remark.Length > 0 ? " nl-odd" : "")}\">{WordsHtml(words, entity.Start, entity.End)}"
                + $"<b>{Markup.Escape(entity.Type)}</b>{(remark.Length > 0 ? $"<i>{Markup.Escape(remark)}</i>" : "")}</mark>");
            next = entity.End;
        }

        parts.Add(WordsHtml(words, next, words.Count));
        return $"<div class=\"nl-text\" dir=\"auto\">{string.Join(' ', parts.Where(part => part.Length > 0))}</div>";
    }

    /// <summary>The same in plain text: <c>[Fernando Torres PER]</c>.</summary>
    public static string ToText(IReadOnlyList<string> words, IEnumerable<MarkedEntity> entities)
    {
        var parts = new List<string>();
        var next = 0;
        foreach (var (entity, remark) in entities)
        {
            parts.AddRange(words.Skip(next).Take(entity.Start - next));
            parts.Add($"[{KnownEntities.SurfaceOf(words, entity)} {entity.Type}{(remark.Length > 0 ? ": " + remark : "")}]");
            next = entity.End;
        }

        return string.Join(' ', parts.Concat(words.Skip(next)));
    }

    /// <summary>A running text with its entities, white space as it stands.</summary>
    /// <param name="text">The text.</param>
    /// <param name="entities">In reading order; what overlaps the one before it is left out.</param>
    /// <param name="types">All types, in the label set's order: they give the colours.</param>
    public static string ToHtml(string text, IEnumerable<TaggedEntity> entities, IReadOnlyList<string> types)
    {
        var html = new StringBuilder("<div class=\"nl-text nl-running\" dir=\"auto\">");
        var next = 0;
        foreach (var entity in entities.Where(entity => entity.Start >= next && entity.End > entity.Start))
        {
            html.Append(Markup.Escape(text[next..entity.Start]))
                .Append(CultureInfo.InvariantCulture,
                    $"<mark class=\"{ClassOf(entity.Type, types)}\" title=\"{Markup.Escape(entity.Type)} {entity.Score:0.000}\">")
                .Append(Markup.Escape(text[entity.Start..entity.End])).Append("<b>").Append(Markup.Escape(entity.Type)).Append("</b></mark>");
            next = entity.End;
        }

        return html.Append(Markup.Escape(text[next..])).Append("</div>").ToString();
    }

    private static string WordsHtml(IReadOnlyList<string> words, int start, int end) =>
        string.Join(' ', Enumerable.Range(start, end - start).Select(i => Markup.Escape(words[i])));

    /// <summary>The classes of an entity's element, which give it its colour.</summary>
    public static string ClassOf(string type, IReadOnlyList<string> types)
    {
        var place = Math.Max(0, types.Index().FirstOrDefault(candidate => candidate.Item == type).Index);
        return $"nl-e nl-c{place % ColorCount}{(place / ColorCount % 2 == 1 ? " nl-again" : "")}";
    }
}
