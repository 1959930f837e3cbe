extern alias runner;

using AngleSharp.Dom;
using AngleSharp.Html.Parser;
using runner::NotebookRunner.Pages;

namespace NotebookLib.Tests.Runner;

public class HtmlPageTests
{
    private static IDocument Page(bool withChart = false) => new HtmlParser().ParseDocument(HtmlPage.Render(SampleRun.Create(withChart), Path.GetTempPath()));

    [Fact]
    public void Nothing_on_the_page_asks_the_network_and_the_browser_is_told_to_hold_it_to_that()
    {
        var page = Page(withChart: true);

        Assert.Empty(page.QuerySelectorAll("link, iframe, object, embed, script[src], base"));
        Assert.All(page.QuerySelectorAll("[src]"), element => Assert.StartsWith("data:", element.GetAttribute("src"), StringComparison.Ordinal));
        Assert.All(page.QuerySelectorAll("style"), style => Assert.DoesNotContain("url(", style.TextContent, StringComparison.Ordinal));
        Assert.Contains("default-src 'none'; ", page.QuerySelector("meta[http-equiv=Content-Security-Policy]")!.GetAttribute("content"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_of_contents_leads_to_every_heading_and_no_id_occurs_twice()
    {
        var page = Page();
        var links = page.QuerySelectorAll(".contents a").ToList();

        Assert.Equal(["A <i>title</i> & more", "Part", "Part"], links.Select(link => link.TextContent));
        Assert.All(links, link => Assert.Equal(link.TextContent, page.GetElementById(link.GetAttribute("href")![1..])!.TextContent));
        var ids = page.QuerySelectorAll("[id]").Select(element => element.Id).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
    }

    [Fact]
    public void Markdown_shows_raw_html_as_text_and_defuses_links_and_far_pictures()
    {
        var prose = Page().QuerySelector(".prose")!;

        Assert.Contains("<script>alert(1)</script>", prose.TextContent, StringComparison.Ordinal);
        Assert.Empty(prose.QuerySelectorAll("script, img"));
        Assert.Equal(["#", "https://example.org", "http://example.org/a.png"], prose.QuerySelectorAll("a").Select(link => link.GetAttribute("href")));
    }

    [Fact]
    public void Names_values_and_comments_from_the_notebook_are_text()
    {
        var page = Page();

        Assert.Equal("n<1>.dib", page.QuerySelector(".run-bar .file")!.TextContent);
        Assert.Equal(["name", "\"<v>\" was \"a\"", "string", "who, <b>"], page.QuerySelectorAll(".parameters tbody td").Select(cell => cell.TextContent));
        Assert.Equal("A <i>title</i> & more", page.Title);
    }

    [Fact]
    public void Outputs_come_in_order_in_their_best_form_and_equal_styles_once()
    {
        var outputs = Page().QuerySelectorAll(".cell.code.ok .outputs > *").ToList();

        Assert.Equal(["stream", "display", "display", "stream stderr", "display", "display"], outputs.Select(output => output.ClassName));
        Assert.Equal(["plain <b> red\n", ".x{color:red}first", "second", "warning\n", "", "1 < 2"], outputs.Select(output => output.TextContent));
        Assert.Equal("red", outputs[0].QuerySelector(".a-red.a-bold")!.TextContent);
        Assert.StartsWith("data:image/png;base64,", outputs[4].QuerySelector("img")!.GetAttribute("src"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_cell_stands_open_with_its_line_marked_and_is_linked_at_the_top()
    {
        var page = Page();
        var failed = page.QuerySelector(".cell.failed")!;

        Assert.True(failed.QuerySelector("details")!.HasAttribute("open"));
        Assert.Equal("throw new Exception(text); /* over\n", failed.QuerySelector(".line.faulty")!.TextContent);
        Assert.Equal("line 4 of this cell, n<1>.dib line 25", failed.QuerySelector(".error .place")!.TextContent);
        Assert.Contains("line 4 <x>", failed.QuerySelector(".error pre")!.TextContent, StringComparison.Ordinal);
        Assert.Equal("#" + failed.Id, page.QuerySelector(".failure a")!.GetAttribute("href"));
        Assert.Equal("not run", page.QuerySelector(".cell.not-run .time")!.TextContent);
    }

    [Fact]
    public void Listings_read_exactly_as_the_source_also_where_a_token_crosses_lines()
    {
        var source = SampleRun.Create().Cells[3].Source;

        Assert.Equal(source + "\n", Page().QuerySelector(".failed .listing code")!.TextContent);
    }

    [Fact]
    public void Plotly_is_on_the_page_once_when_there_are_charts_and_not_at_all_without()
    {
        var withChart = Page(withChart: true);

        Assert.Single(withChart.QuerySelectorAll("head script"), script => script.TextContent.Length > 1_000_000);
        Assert.DoesNotContain(Page().QuerySelectorAll("script"), script => script.TextContent.Length > 100_000);
    }

    [Theory]
    [InlineData("<javascript:alert(1)>", "")]
    [InlineData("[x](javascript://[no-address)", "#")]
    [InlineData("[x](JaVaScRiPt:alert(1))", "#")]
    [InlineData("![x](data:text/html,y)", "#")]
    [InlineData("[x](javascript&colon;alert(1))", "#")]
    [InlineData("<mailto:a@example.org>", "mailto:a@example.org")]
    [InlineData("[x](other.html#part:2)", "other.html#part:2")]
    [InlineData("![x](%00.png)", "%00.png")]
    public void A_link_of_a_cells_text_leads_somewhere_or_nowhere_and_runs_nothing(string markdown, string expected)
    {
        var links = new HtmlParser().ParseDocument(new MarkdownView(Path.GetTempPath()).ToHtml(markdown)).QuerySelectorAll("a");

        Assert.Equal(expected, string.Concat(links.Select(link => link.GetAttribute("href"))));
    }

    [Fact]
    public void Text_that_is_nested_deeper_than_its_parser_goes_is_shown_as_it_stands()
    {
        var text = string.Concat(Enumerable.Repeat("> ", 5_000)) + "<b>";

        Assert.Equal(text + "\n", new HtmlParser().ParseDocument(new MarkdownView(Path.GetTempPath()).ToHtml(text)).QuerySelector("pre")!.TextContent + "\n");
    }

    [Fact]
    public void Equal_headings_get_anchors_of_their_own()
    {
        var view = new MarkdownView(Path.GetTempPath());
        view.ToHtml("# a\n# a-2\n# a\n# a\n# a-2");

        Assert.Equal(["a", "a-2", "a-3", "a-4", "a-2-2"], view.Headings.Select(heading => heading.Id));
    }

    [Fact]
    public void A_local_picture_travels_inside_the_page()
    {
        var folder = Directory.CreateTempSubdirectory();
        File.WriteAllBytes(Path.Combine(folder.FullName, "a b.png"), [1, 2, 3]);

        Assert.Contains("src=\"data:image/png;base64,AQID\"", new MarkdownView(folder.FullName).ToHtml("![here](a%20b.png)"), StringComparison.Ordinal);

        folder.Delete(recursive: true);
    }
}
