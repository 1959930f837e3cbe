using System.Net;
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

    private static readonly string[] HarmlessSchemes = ["http", "https", "mailto", "file"];

    private readonly List<PageHeading> _headings = [];
    private readonly Dictionary<string, int> _copies = new(StringComparer.Ordinal);

    /// <summary>All headings rendered so far, in order.</summary>
    public IReadOnlyList<PageHeading> Headings => _headings;

    /// <summary>Renders one cell; one that is nested deeper than the parser goes is shown as it stands.</summary>
    public string ToHtml(string markdown)
    {
        var before = _headings.Count;
        try
        {
            return Rendered(markdown);
        }
        catch (ArgumentException)
        {
            _headings.RemoveRange(before, _headings.Count - before);
            return $"<pre>{WebUtility.HtmlEncode(markdown)}</pre>\n";
        }
    }

    private string Rendered(string markdown)
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

        foreach (var link in document.Descendants<AutolinkInline>().Where(link => !link.IsEmail && !IsHarmless(link.Url)).ToList())
        {
            link.ReplaceBy(new LiteralInline(link.Url));
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
        while (!_copies.TryAdd(id, 1))
        {
            id = Invariant($"{slug}-{++_copies[slug]}");
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
        // A picture from the network would break the promise that the page loads nothing: it becomes a link.
        var picture = link.IsImage ? Embedded(url) : null;
        link.IsImage = picture is not null;
        link.Url = picture ?? (IsHarmless(url) ? url : "#");
    }

    /// <summary>Whether an address only leads somewhere: it has no scheme, or one that runs nothing.</summary>
    private static bool IsHarmless(string url)
    {
        var end = url.AsSpan().IndexOfAny(":/?#");
        return end < 0 || url[end] != ':' || HarmlessSchemes.Contains(url[..end], StringComparer.OrdinalIgnoreCase);
    }

    private string? Embedded(string url)
    {
        if (url.StartsWith("data:image/", StringComparison.Ordinal))
        {
            return url;
        }

        var name = Uri.UnescapeDataString(url);
        if (name.Contains(':', StringComparison.Ordinal) || name.Contains('\0', StringComparison.Ordinal)
            || !PictureTypes.TryGetValue(Path.GetExtension(name), out var type))
        {
            return null;
        }

        try
        {
            var file = new FileInfo(Path.Combine(notebookFolder, name));
            return file is { Exists: true, Length: > 0 and <= LargestPictureBytes }
                ? $"data:{type};base64,{Convert.ToBase64String(File.ReadAllBytes(file.FullName))}" : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Not ours to read: it stays a link.
            return null;
        }
    }
}
