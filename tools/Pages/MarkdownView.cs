using Markdig;
using Markdig.Renderers;
using Markdig.Renderers.Html;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace NotebookRunner.Pages;

/// <summary>A heading of the page, for the table of contents.</summary>
/// <param name="Level">1 to 6.</param>
/// <param name="Text">Plain text.</param>
/// <param name="Id">The anchor, unique on the page.</param>
internal sealed record PageHeading(int Level, string Text, string Id);

/// <summary>Markdown cells as HTML: raw HTML shows as text, only harmless links work, local pictures travel inside the page.</summary>
internal sealed class MarkdownView(string notebookFolder)
{
    private const long LargestPictureBytes = 8 << 20;

    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder()
        .DisableHtml().UsePipeTables().UseEmphasisExtras().UseTaskLists().UseAutoLinks().UseFootnotes().UseDefinitionLists().Build();

    private static readonly Dictionary<string, string> PictureTypes = new(StringComparer.OrdinalIgnoreCase)
    {
        [".png"] = "image/png",
        [".jpg"] = "image/jpeg",
        [".jpeg"] = "image/jpeg",
        [".gif"] = "image/gif",
        [".svg"] = "image/svg+xml",
        [".webp"] = "image/webp",
    };

    private readonly List<PageHeading> _headings = [];

    /// <summary>All headings rendered so far, in order.</summary>
    public IReadOnlyList<PageHeading> Headings => _headings;

    /// <summary>Renders one cell.</summary>
    public string ToHtml(string markdown)
    {
        var document = Markdown.Parse(markdown, Pipeline);
        foreach (var heading in document.Descendants<HeadingBlock>())
        {
            AddAnchor(heading);
        }

        foreach (var link in document.Descendants<LinkInline>().ToList())
        {
            MakeHarmless(link);
        }

        using var html = new StringWriter();
        var renderer = new HtmlRenderer(html);
        Pipeline.Setup(renderer);
        renderer.Render(document);
        return html.ToString();
    }

    private void AddAnchor(HeadingBlock heading)
    {
        var text = string.Concat(heading.Inline?.Descendants().Select(TextOf) ?? []).Trim();
        var slug = string.Concat(text.ToLowerInvariant().Select(letter => char.IsLetterOrDigit(letter) ? letter : '-')).Trim('-');
        slug = slug.Length == 0 ? "section" : slug;
        var id = slug;
        for (var copy = 2; _headings.Any(known => known.Id == id); copy++)
        {
            id = $"{slug}-{copy}";
        }

        _headings.Add(new(heading.Level, text, id));
        heading.GetAttributes().Id = id;
    }

    private static string TextOf(MarkdownObject piece) => piece switch
    {
        LiteralInline literal => literal.Content.ToString(),
        CodeInline code => code.Content,
        LineBreakInline => " ",
        _ => "",
    };

    private void MakeHarmless(LinkInline link)
    {
        var url = link.Url ?? "";
        if (link.IsImage)
        {
            // A picture from the network would break the promise that the page loads nothing: it becomes a link.
            link.IsImage = Embedded(url) is { } embedded;
            link.Url = Embedded(url) ?? url;
        }

        if (!link.IsImage && Uri.TryCreate(link.Url, UriKind.Absolute, out var address) && address.Scheme is not ("http" or "https" or "mailto" or "file"))
        {
            link.Url = "#";
        }
    }

    private string? Embedded(string url)
    {
        if (url.StartsWith("data:image/", StringComparison.Ordinal))
        {
            return url;
        }

        var file = url.Contains(':', StringComparison.Ordinal) ? null : new FileInfo(Path.Combine(notebookFolder, Uri.UnescapeDataString(url)));
        return file is { Exists: true, Length: <= LargestPictureBytes } && PictureTypes.TryGetValue(file.Extension, out var type)
            ? $"data:{type};base64,{Convert.ToBase64String(File.ReadAllBytes(file.FullName))}"
            : null;
    }
}
