using NotebookLib.Inference;
using NotebookLib.Metrics;
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
        Assert.Equal([new("X", 1, 3), new Entity("Y", 3, 4)], tagged.Entities.Select(entity => entity.Entity));
        Assert.Equal(["goat of", "bees"], tagged.Entities.Select(entity => entity.Text));
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
        var tagged = s_tagger.TagAll([["the"], [], ["goat", "goat"]], TestContext.Current.CancellationToken);

        Assert.Equal([[0], [], [1, 1]], tagged.Select(sentence => sentence.Sentence.Tags));
    }

    [Fact]
    public void A_model_may_name_its_labels_in_any_order()
    {
        var tagger = new EntityTagger(s_tokenizer, new FakeScorer(["I-Y", "I-X", "B-X", "O", "B-Y"], new() { [Id("▁goat")] = [0, 0, 0, 0, 1], [Id("▁of")] = [1, 0, 0, 0, 0] }, otherLabel: 3));

        var tagged = tagger.Tag("the goat of");

        Assert.Equal(["O", "B-Y", "I-Y", "B-X", "I-X"], tagger.Labels.Names);
        Assert.Equal(["O", "B-Y", "I-Y"], tagged.Sentence.Tags.Select(tag => tagged.Labels.Names[tag]));
    }

    [Fact]
    public void Labels_of_another_kind_are_refused_by_name()
    {
        var error = Assert.Throws<NotSupportedException>(() => new EntityTagger(s_tokenizer, new FakeScorer(["O", "NOUN"], [])));

        Assert.Contains("label NOUN", error.Message);
    }

    private static int Id(string piece) => s_tokenizer.FindId(piece)!.Value;
}
