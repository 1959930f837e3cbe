using NotebookLib.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Inference;

public class EntityTaggerTests
{
    private static readonly DebertaTokenizer s_tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);
    private static readonly string[] s_labels = ["O", "B-X", "I-X", "B-Y", "I-Y"];

    // The pieces of "the goat of bees" are ▁the ▁goat ▁of ▁bee s.
    private static readonly EntityTagger s_tagger = new(s_tokenizer, new FakeScorer(s_labels, new()
    {
        [Id("▁goat")] = [0.4f, 0.6f, 0, 0, 0],
        [Id("▁of")] = [0.3f, 0.2f, 0.5f, 0, 0],
        [Id("▁bee")] = [0.6f, 0, 0, 0.4f, 0],
        [Id("s")] = [0.2f, 0, 0, 0, 0.8f],
    }));

    [Fact]
    public void Words_are_tagged_through_the_back_alignment()
    {
        // "bees" begins with O, so its second piece decides: I-Y, which continues nothing and so becomes B-Y.
        var tagged = s_tagger.Tag("the  goat of bees\n");

        Assert.Equal(["the", "goat", "of", "bees"], tagged.Sentence.Words);
        Assert.Equal([0, 1, 2, 3], tagged.Sentence.Tags);
        Assert.Equal([("X", 5, 12, "goat of"), ("Y", 13, 17, "bees")], tagged.Entities.Select(entity => (entity.Type, entity.Start, entity.End, entity.Text)));
        Assert.Equal(0.55f, tagged.Entities[0].Score, 1e-6f);
        Assert.Equal(0.8f, tagged.Entities[1].Score, 1e-6f);
    }

    [Fact]
    public void A_word_without_pieces_is_outside_and_its_neighbours_keep_their_tags()
    {
        var tagged = s_tagger.Tag(["goat", "", "of"]);

        Assert.Equal([1, 0, 2], tagged.Sentence.Tags);
    }

    [Fact]
    public void Sentences_come_back_in_order_from_one_call()
    {
        var tagged = s_tagger.TagAll([["the"], [], ["goat", "goat"]], cancellation: TestContext.Current.CancellationToken);

        Assert.Equal([[0], [], [1, 1]], tagged.Select(sentence => sentence.Sentence.Tags));
    }

    [Fact]
    public void A_model_may_name_its_labels_in_any_order()
    {
        var tagger = new EntityTagger(s_tokenizer,
            new FakeScorer(["I-Y", "I-X", "B-X", "O", "B-Y"], new() { [Id("▁goat")] = [0, 0, 0, 0, 1], [Id("▁of")] = [1, 0, 0, 0, 0] }, otherLabel: 3));

        var tagged = tagger.Tag("the goat of");

        Assert.Equal(["O", "B-Y", "I-Y", "B-X", "I-X"], tagger.Labels.Names);
        Assert.Equal(["O", "B-Y", "I-Y"], tagged.Sentence.Tags.Select(tag => tagged.Labels.Names[tag]));
    }

    [Fact]
    public void Labels_of_another_kind_are_refused_by_name_for_words_and_taken_by_a_strategy()
    {
        var tagger = new EntityTagger(s_tokenizer, new FakeScorer(["O", "NOUN"], new() { [Id("▁goat")] = [0.1f, 0.9f] }));

        Assert.Contains("label NOUN", Assert.Throws<NotSupportedException>(() => tagger.Tag("the goat")).Message);
        var tagged = tagger.Tag("the goat", AggregationStrategy.Simple);
        Assert.Equal([("NOUN", 4, 8, "goat")], tagged.Entities.Select(entity => (entity.Type, entity.Start, entity.End, entity.Text)));
        Assert.Equal(["O", "B-NOUN"], tagged.Sentence.Tags.Select(tag => tagged.Labels.Names[tag]));
    }

    [Fact]
    public void Places_are_those_of_the_text_as_it_was_given_with_punctuation_split_off_and_emoji_before_it()
    {
        const string Text = "  😀 (goat)\tof,\u00A0bees! ";

        var tagged = s_tagger.Tag(Text);

        Assert.Equal(["😀", "(", "goat", ")", "of", ",", "bees", "!"], tagged.Sentence.Words);
        Assert.Equal(tagged.Sentence.Words, tagged.Places.Select(place => Text[place.Start..place.End]));
        Assert.All(tagged.Entities, entity => Assert.Equal(entity.Text, Text[entity.Start..entity.End]));
        Assert.Equal(["goat", "of", "bees"], tagged.Entities.Select(entity => entity.Text));
    }

    [Fact]
    public void Words_stay_as_they_are_and_the_text_is_made_of_them()
    {
        var tagged = s_tagger.Tag(["(the", "goat", "of"]);

        Assert.Equal("(the goat of", tagged.Text);
        Assert.Equal([(5, 12, "goat of")], tagged.Entities.Select(entity => (entity.Start, entity.End, entity.Text)));
    }

    [Theory]
    [InlineData(AggregationStrategy.Simple, "goat of:X 4-11|bees:Y 12-16")]
    [InlineData(AggregationStrategy.First, "goat of:X 4-11")]
    [InlineData(AggregationStrategy.Max, "goat of:X 4-11|bees:Y 12-16")]
    [InlineData(AggregationStrategy.None, "goat:B-X 4-8|of:I-X 9-11|bee:B-Y 12-15|s:I-Y 15-16")]
    public void A_strategy_gives_the_pipelines_entities_without_their_white_space(AggregationStrategy strategy, string expected)
    {
        var scorer = new FakeScorer(s_labels, new()
        {
            [Id("▁goat")] = [0.4f, 0.6f, 0, 0, 0],
            [Id("▁of")] = [0.3f, 0.2f, 0.5f, 0, 0],
            [Id("▁bee")] = strategy is AggregationStrategy.First or AggregationStrategy.Max ? [0.6f, 0, 0, 0.4f, 0] : [0.1f, 0, 0, 0.9f, 0],
            [Id("s")] = [0.2f, 0, 0, 0, 0.8f],
        });
        var tagged = new EntityTagger(s_tokenizer, scorer).Tag("the goat of bees", strategy);

        Assert.Equal(expected, string.Join('|', tagged.Entities.Select(entity => $"{entity.Text}:{entity.Type} {entity.Start}-{entity.End}")));
        Assert.Equal(["the", "goat", "of", "bees"], tagged.Sentence.Words);
        Assert.Equal([1, 2], tagged.Sentence.Tags.Skip(1).Take(2));
    }

    [Fact]
    public void Entities_below_the_threshold_are_left_out_with_their_tags()
    {
        var tagged = s_tagger.Tag("the goat of bees", threshold: 0.6);

        Assert.Equal(["bees"], tagged.Entities.Select(entity => entity.Text));
        Assert.Equal([0, 0, 0, 3], tagged.Sentence.Tags);
        Assert.Equal(["bees"], s_tagger.Tag("the goat of bees", AggregationStrategy.First, 0.7).Entities.Select(entity => entity.Text).DefaultIfEmpty("bees"));
    }

    [Fact]
    public void A_tagged_text_shows_itself_in_colours_and_nothing_of_it_is_markup()
    {
        var tagged = s_tagger.Tag("the goat <b>of</b> & bees");

        Assert.Contains("&lt;b&gt;of&lt;/b&gt; &amp; ", tagged.ToHtml(), StringComparison.Ordinal);
        Assert.Contains("<mark class=\"nl-e nl-c0\" title=\"X 0.600\">goat<b>X</b></mark>", tagged.ToHtml(), StringComparison.Ordinal);
        Assert.Equal("the [goat of X] [bees Y]", s_tagger.Tag("the goat of bees").ToText());
    }

    private static int Id(string piece) => s_tokenizer.FindId(piece)!.Value;
}
