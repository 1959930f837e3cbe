using NotebookLib.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Inference;

/// <summary>Strategies worked out by hand on "the goat of bees": pieces ▁the ▁goat ▁of ▁bee s.</summary>
public class TokenClassificationPipelineTests
{
    private static readonly DebertaTokenizer s_tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);
    private static readonly string[] s_labels = ["O", "B-X", "I-X", "B-Y", "I-Y"];

    private static readonly FakeScorer s_scorer = new(s_labels, new()
    {
        [Id("▁goat")] = [0.4f, 0.6f, 0, 0, 0],
        [Id("▁of")] = [0.3f, 0.2f, 0.5f, 0, 0],
        [Id("▁bee")] = [0.25f, 0, 0.35f, 0.4f, 0],
        [Id("s")] = [0.2f, 0, 0.8f, 0, 0],
    });

    private readonly TokenClassificationPipeline _pipeline = new(s_tokenizer, s_scorer);

    [Fact]
    public void None_gives_each_piece_with_its_number() => AssertEntities(
        _pipeline.Classify("the goat of bees"),
        new("B-X", 0.6f, "▁goat", 3, 8, 2),
        new("I-X", 0.5f, "▁of", 8, 11, 3),
        new("B-Y", 0.4f, "▁bee", 11, 15, 4),
        new("I-X", 0.8f, "s", 15, 16, 5));

    [Fact]
    public void Simple_joins_neighbours_and_may_tear_a_word() => AssertEntities(
        _pipeline.Classify("the goat of bees", AggregationStrategy.Simple),
        new("X", 0.55f, "goat of", 3, 11),
        new("Y", 0.4f, "bee", 11, 15),
        new("X", 0.8f, "s", 15, 16));

    [Fact]
    public void First_takes_the_first_piece_of_a_word() => AssertEntities(
        _pipeline.Classify("the goat of bees", AggregationStrategy.First),
        new("X", 0.55f, "goatof", 3, 11),
        new("Y", 0.4f, "bees", 11, 16));

    [Fact]
    public void Max_takes_the_surest_piece_of_a_word() => AssertEntities(
        _pipeline.Classify("the goat of bees", AggregationStrategy.Max),
        new TokenEntity("X", (0.6f + 0.5f + 0.8f) / 3, "goatofbees", 3, 16));

    [Fact]
    public void Average_takes_the_best_mean_of_a_word() => AssertEntities(
        _pipeline.Classify("the goat of bees", AggregationStrategy.Average),
        new TokenEntity("X", (0.6f + 0.5f + 0.575f) / 3, "goatofbees", 3, 16));

    [Fact]
    public void A_second_B_begins_a_second_entity() => AssertEntities(
        _pipeline.Classify("goat goat", AggregationStrategy.Simple),
        new("X", 0.6f, "goat", 0, 4),
        new("X", 0.6f, "goat", 4, 9));

    [Fact]
    public void Ignored_labels_are_left_out_and_only_these()
    {
        Assert.Equal(["O", "B-X", "I-X", "B-Y", "I-X"], _pipeline.Classify("the goat of bees", ignoredLabels: []).Select(entity => entity.Label));
        Assert.Equal(["O", "Y"], _pipeline.Classify("the goat of bees", AggregationStrategy.First, ["X"]).Select(entity => entity.Label));
    }

    [Fact]
    public void An_unknown_piece_is_shown_as_it_stands_in_the_text_and_is_a_word()
    {
        var scorer = new FakeScorer(s_labels, [], otherLabel: 1);

        AssertEntities(
            new TokenClassificationPipeline(s_tokenizer, scorer).Classify("😀日 a", AggregationStrategy.First),
            new("X", 0.9f, "", 0, 1),
            new("X", 0.9f, "😀日", 0, 2),
            new("X", 0.9f, "a", 2, 4));
    }

    [Fact]
    public void Texts_come_back_in_order_from_one_call_and_an_empty_one_has_no_results()
    {
        var scorer = new FakeScorer(s_labels, [], otherLabel: 1);

        var results = new TokenClassificationPipeline(s_tokenizer, scorer)
            .Classify(["goat", "", "the goat"], AggregationStrategy.First, cancellation: TestContext.Current.CancellationToken);

        Assert.Equal([1, 0, 2], results.Select(entities => entities.Count));
        Assert.Equal([3], scorer.RowsSeen);
    }

    private static int Id(string piece) => s_tokenizer.FindId(piece)!.Value;

    private static void AssertEntities(IReadOnlyList<TokenEntity> actual, params TokenEntity[] expected)
    {
        Assert.Equal(expected.Select(entity => entity with { Score = 0 }), actual.Select(entity => entity with { Score = 0 }));
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First.Score, pair.Second.Score, 1e-6f));
    }
}
