using AngleSharp.Html.Parser;
using NotebookLib.Data;
using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Metrics;

namespace NotebookLib.Tests.Display;

public class ViewsTests
{
    private const string Hostile = "<script>alert('x')</script>\"&";
    private static readonly LabelSet Labels = new(["PER", "LOC"]);

    [Fact]
    public void Every_view_escapes_what_comes_from_outside()
    {
        var hostileLabels = new LabelSet([Hostile]);
        var sentence = new Sentence([Hostile, "b"], [1, 0]);
        var judged = new JudgedSentence(sentence.Words, sentence.Tags, [0, 1], 0.5);
        HtmlView[] views =
        [
            new SentencesView(Hostile, [sentence], hostileLabels),
            new ErrorsView(ErrorAnalysis.Of([judged], hostileLabels), hostileLabels),
            new TableView(Hostile, [new(Hostile)], [new([new Cell(Hostile, Mark.Good, 0.5, true)])], Hostile, Hostile),
            new CardView(Hostile, [new(Hostile, Hostile, Hostile)]) { Subtitle = Hostile, Warnings = [Hostile] },
            new EmptyView(Hostile, Hostile),
            Tables.Splits([SplitStatistics.Of(Hostile, [sentence], hostileLabels)]),
        ];

        foreach (var view in views)
        {
            var document = new HtmlParser().ParseDocument(view.ToHtml());
            Assert.Empty(document.QuerySelectorAll("script"));
            Assert.Contains("alert('x')", document.Body!.TextContent, StringComparison.Ordinal);
            Assert.All(document.All, element =>
                Assert.DoesNotContain(element.Attributes, attribute => attribute.Name.StartsWith("on", StringComparison.Ordinal)));
            Assert.Contains("alert('x')", view.ToText(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Entities_are_marked_in_the_text_and_words_keep_their_blanks()
    {
        var view = new SentencesView("look", [new Sentence(["Ada", "Lovelace", "saw", "Rome", "."], [1, 2, 0, 3, 0])], Labels);

        var document = new HtmlParser().ParseDocument(view.ToHtml());

        Assert.Equal(["Ada LovelacePER", "RomeLOC"], document.QuerySelectorAll("mark").Select(mark => mark.TextContent));
        Assert.Equal("Ada LovelacePER saw RomeLOC .", document.QuerySelector(".nl-text")!.TextContent);
        Assert.Equal("look\n  [Ada Lovelace PER] saw [Rome LOC] .", view.ToText());
    }

    [Fact]
    public void Types_differ_in_colour_and_after_the_seventh_in_their_frame()
    {
        var labels = LabelSet.SystemA;
        var words = labels.Types.ToList();
        var view = new SentencesView("all", words, [.. words.Select((type, i) => new Entity(type, i, i + 1))], labels);

        var classes = new HtmlParser().ParseDocument(view.ToHtml()).QuerySelectorAll("mark").Select(mark => mark.ClassName!).ToList();

        // Fifteen types share seven colours in two frames; only the fifteenth looks like the first.
        Assert.Equal(14, classes.Distinct().Count());
        Assert.Equal(classes[0], classes[14]);
    }

    [Fact]
    public void Gold_stands_over_predicted_and_what_differs_is_named()
    {
        var analysis = ErrorAnalysis.Of([new(["Ada", "saw", "Rome"], [1, 0, 3], [0, 0, 1], 1.25)], Labels);

        var text = new ErrorsView(analysis, Labels).ToText();

        Assert.Contains("  gold       [Ada PER: missed] saw [Rome LOC]\n  predicted  Ada saw [Rome PER: type]\n  loss       1.250 nats per piece", text,
            StringComparison.Ordinal);
        var html = new HtmlParser().ParseDocument(new ErrorsView(analysis, Labels).ToHtml());
        Assert.Equal(["gold", "predicted", "loss"], html.QuerySelectorAll(".nl-who").Select(label => label.TextContent));
        Assert.Equal(["missed", "type"], html.QuerySelectorAll(".nl-odd i").Select(remark => remark.TextContent));
    }

    [Fact]
    public void Views_without_data_say_so()
    {
        Assert.Contains("There is no sentence to show.", new SentencesView("none", [], Labels).ToHtml(), StringComparison.Ordinal);
        Assert.Contains("nothing can be judged", new ErrorsView(ErrorAnalysis.Of([], Labels), Labels).ToHtml(), StringComparison.Ordinal);
        Assert.Contains("nothing to show", new TableView("t", [new("a")], []).ToHtml(), StringComparison.Ordinal);
        Assert.Contains("0", Tables.Splits([SplitStatistics.Of("empty", [], Labels)]).ToText(), StringComparison.Ordinal);
        Assert.Contains("micro avg", Tables.Report("none", new SequenceScorer(Labels).Scores(EntityScheme.Lenient)).ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_row_with_too_few_cells_is_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => new TableView("t", [new("a"), new("b")], [new(["1", "2"]), new(["1"])]));

        Assert.Contains("Table 't', row 1: expected 2 cells, one for each column, found 1.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_tables_align_numbers_to_the_right()
    {
        var table = new TableView("Scores", [new("type"), new("F1", true)], [new(["PER", "0.9"]), new(["ÄÖ", "10.25"], Mark.Best)]);

        Assert.Equal("Scores\ntype     F1\n----  -----\nPER     0.9\nÄÖ    10.25  *", table.ToText());
    }

    [Fact]
    public void The_formatters_of_dotnet_interactive_find_the_views_by_convention()
    {
        HtmlView view = new SentencesView("look", [new Sentence(["Rome"], [3])], Labels);

        Assert.Equal(view.ToHtml(), Microsoft.DotNet.Interactive.Formatting.Formatter.ToDisplayString(view, "text/html"));
        Assert.Equal(view.ToText(), Microsoft.DotNet.Interactive.Formatting.Formatter.ToDisplayString(view, "text/plain"));
        Assert.Equal(["text/html", "text/plain"], Microsoft.DotNet.Interactive.Formatting.Formatter.GetPreferredMimeTypesFor(view.GetType()));
        Assert.Contains(view.ToHtml(), Microsoft.DotNet.Interactive.Formatting.Formatter.ToDisplayString((HtmlView[])[view], "text/html"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Only_charts_carry_the_marker_that_makes_a_page_bring_plotly() =>
        Assert.DoesNotContain("nl-chart",
            new TableView("t", [new("a")], []).ToHtml() + new CardView("c", []).ToHtml() + new SentencesView("s", [new Sentence(["a"], [1])], Labels).ToHtml(),
            StringComparison.Ordinal);

    [Fact]
    public void The_environment_card_names_device_and_versions()
    {
        var text = EnvironmentCard.Create("demo").ToText();

        Assert.Contains("TorchSharp 0.107", text, StringComparison.Ordinal);
        Assert.Contains("threads", text, StringComparison.Ordinal);
    }
}
