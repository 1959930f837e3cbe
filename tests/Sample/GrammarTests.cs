using NotebookLib.Data;
using NotebookLib.SampleMaker.Grammar;
using NotebookLib.SampleMaker.Model;
using NotebookLib.SampleMaker.Sample;

namespace NotebookLib.Tests.Sample;

public class GrammarTests
{
    [Theory]
    [InlineData("hour", "an")]
    [InlineData("university", "a")]
    [InlineData("umbrella", "an")]
    [InlineData("Ukrainian", "a")]
    [InlineData("HMS", "an")]
    [InlineData("U-boat", "a")]
    [InlineData("F-16", "an")]
    [InlineData("1871", "an")]
    [InlineData("11th", "an")]
    [InlineData("118", "a")]
    [InlineData("80", "an")]
    [InlineData("iPhone", "an")]
    [InlineData("Écu", "an")]
    [InlineData("NATO", "a")]
    public void The_article_follows_the_sound_of_the_next_word(string next, string article) => Assert.Equal(article, English.ArticleBefore(next));

    [Theory]
    [InlineData("story", "stories")]
    [InlineData("jay", "jays")]
    [InlineData("finch", "finches")]
    [InlineData("ibex", "ibexes")]
    [InlineData("brown bear", "brown bears")]
    public void Regular_plurals_are_made_by_rule(string singular, string plural) => Assert.Equal(plural, English.Plural(singular));

    [Fact]
    public void The_first_numbers_of_the_generator_are_those_of_SplitMix64()
    {
        // Sebastiano Vigna's splitmix64.c with seed 1234567, as quoted by many ports.
        var random = new SplitMix(1234567);

        Assert.Equal([6457827717110365317UL, 3203168211198807973UL, 9817491932198370423UL], [random.Next(), random.Next(), random.Next()]);
    }

    [Fact]
    public void Marks_become_words_and_tags()
    {
        var sentence = Surface.Realize("a \u0001ANIM\u0002red fox\u0003 saw a \u0001LOC\u0002Eiffel\u0003 .", LabelSet.SystemA);

        Assert.Equal(["A", "red", "fox", "saw", "an", "Eiffel", "."], sentence.Words);
        Assert.Equal([0, 7, 8, 0, 0, 5, 0], sentence.Tags);
    }

    [Theory]
    [InlineData("the [old|new house", "\"]\" is missing")]
    [InlineData("in {LOC.city", "never closed")]
    [InlineData("<LOC>", "needs a type")]
    [InlineData("a ] b", "closes nothing")]
    public void A_broken_shape_is_refused_with_its_text(string source, string complaint)
    {
        var error = Assert.Throws<FormatException>(() => TemplateParser.Parse(source));

        Assert.Contains(source, error.Message, StringComparison.Ordinal);
        Assert.Contains(complaint, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Written_text_attaches_punctuation_as_people_do()
    {
        string[] words = ["\"", "No", ",", "\"", "said", "Ada", "(", "born", "1815", ")", ",", "King", "'s", "wife", "."];

        Assert.Equal("\"No,\" said Ada (born 1815), King's wife.", WrittenText.Of(words));
    }

    [Fact]
    public void Every_shape_and_rule_names_only_what_exists()
    {
        var grammar = GrammarFiles.Read(Repository.PathOf("data", "maker"));
        string[] builtIn = ["person", "woman", "man", "he", "his", "him"];

        var names = grammar.Topics.SelectMany(topic => topic.Shapes).Select(shape => shape.Template).Concat(grammar.Rules.Values.SelectMany(rule => rule))
            .SelectMany(References);

        Assert.DoesNotContain(names.Distinct(), name => !grammar.Rules.ContainsKey(name) && !grammar.Lists.ContainsKey(name) && !builtIn.Contains(name));
        Assert.InRange(grammar.Topics.Sum(topic => topic.Shapes.Count), 350, int.MaxValue);
    }

    private static IEnumerable<string> References(Template template) => template.Parts.SelectMany(part => part switch
    {
        Reference reference => [reference.Name],
        Choice choice => choice.Alternatives.SelectMany(References),
        Labelled labelled => References(labelled.Inside),
        _ => Enumerable.Empty<string>(),
    });
}
