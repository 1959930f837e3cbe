using CsCheck;
using NotebookLib.Data;
using NotebookLib.Metrics;

namespace NotebookLib.Tests.Metrics;

public class ErrorAnalysisTests
{
    private static readonly LabelSet Labels = new(["PER", "ORG", "LOC"]);

    [Theory]
    [InlineData("B-PER I-PER O", "B-PER I-PER O", SpanOutcome.Correct)]
    [InlineData("B-PER I-PER O", "B-LOC I-LOC O", SpanOutcome.WrongType)]
    [InlineData("B-PER I-PER O", "B-PER O O", SpanOutcome.WrongBoundary)]
    [InlineData("B-PER I-PER O", "O B-ORG I-ORG", SpanOutcome.WrongTypeAndBoundary)]
    [InlineData("B-PER I-PER O", "O O O", SpanOutcome.Missed)]
    [InlineData("O O O", "O O B-LOC", SpanOutcome.Invented)]
    public void Each_kind_of_error_is_told_apart(string gold, string predicted, SpanOutcome expected)
    {
        var analysis = ErrorAnalysis.Of([Judged("a b c", gold, predicted)], Labels);

        Assert.Equal(1, analysis.Outcomes[expected]);
        Assert.Equal(1, analysis.Outcomes.Values.Sum());
    }

    [Fact]
    public void An_entity_cut_in_two_is_one_wrong_boundary_and_one_invention()
    {
        var pairs = Judged("a b c d", "B-PER I-PER I-PER I-PER", "B-PER B-PER I-PER I-PER").Pairs(Labels);

        // The longer part stands for the entity.
        Assert.Equal([(SpanOutcome.WrongBoundary, 1), (SpanOutcome.Invented, 0)],
            pairs.OrderBy(pair => pair.Outcome).Select(pair => (pair.Outcome, pair.Predicted!.Value.Start)));
    }

    [Fact]
    public void Of_two_halves_the_one_of_the_entitys_type_stands_for_it()
    {
        var pairs = Judged("a b c d", "B-PER I-PER I-PER I-PER", "B-LOC I-LOC B-PER I-PER").Pairs(Labels);

        Assert.Equal([(SpanOutcome.WrongBoundary, "PER"), (SpanOutcome.Invented, "LOC")],
            pairs.OrderBy(pair => pair.Outcome).Select(pair => (pair.Outcome, pair.Predicted!.Value.Type)));
    }

    [Fact]
    public void Every_entity_stands_in_exactly_one_pair()
    {
        var tags = Gen.Int[0, 6].Array[0, 12];
        Gen.Select(tags, tags).Where(pair => pair.Item1.Length == pair.Item2.Length || pair.Item1.Length > 0).Sample((gold, predicted) =>
        {
            var length = Math.Min(gold.Length, predicted.Length);
            var sentence = new JudgedSentence([.. Enumerable.Repeat("w", length)], gold[..length], predicted[..length]);
            var pairs = sentence.Pairs(Labels);
            Assert.Equal(EntitySpans.Find(gold[..length], Labels, EntityScheme.Lenient),
                pairs.Where(pair => pair.Gold is not null).Select(pair => pair.Gold!.Value));
            Assert.Equal(
                EntitySpans.Find(predicted[..length], Labels, EntityScheme.Lenient),
                pairs.Where(pair => pair.Predicted is not null).Select(pair => pair.Predicted!.Value).OrderBy(entity => entity.Start));
        });
    }

    [Fact]
    public void The_confusion_counts_gold_by_row_and_predicted_by_column()
    {
        var analysis = ErrorAnalysis.Of([Judged("a b c", "B-PER O B-LOC", "B-LOC B-LOC O")], Labels);

        Assert.Equal(["PER", "LOC", "nothing"], analysis.Names);
        Assert.Equal<IReadOnlyList<int>>([[0, 1, 0], [0, 0, 1], [0, 1, 0]], analysis.Confusion);
    }

    [Fact]
    public void Entities_that_training_never_saw_are_scored_apart()
    {
        var known = KnownEntities.Of([Sentence("Ada Lovelace slept", "B-PER I-PER O")], Labels);
        Assert.Equal(1, known.Count);

        var analysis = ErrorAnalysis.Of(
            [Judged("Ada Lovelace met Grace in Rome", "B-PER I-PER O B-PER O B-LOC", "B-PER I-PER O O O B-LOC"), Judged("Ada slept", "O O", "B-PER O")], Labels,
            known);

        Assert.Equal(("seen in training", 1L, 1L, 1L), (analysis.Known!.Name, analysis.Known.Support, analysis.Known.Predicted, analysis.Known.Correct));
        // Gold: Grace, Rome; predicted: Rome, Ada alone; right: Rome.
        Assert.Equal(("never seen", 2L, 2L, 1L, 0.5),
            (analysis.Unseen!.Name, analysis.Unseen.Support, analysis.Unseen.Predicted, analysis.Unseen.Correct, analysis.Unseen.F1));
    }

    [Fact]
    public void The_worst_sentences_are_those_with_the_highest_loss_among_the_wrong_ones()
    {
        var right = Judged("a", "B-PER", "B-PER") with { Loss = 9 };
        var sentences = ((double[])[0.3, 0.9, 0.5]).Select(loss => Judged("a", "B-PER", "O") with { Loss = loss });

        var analysis = ErrorAnalysis.Of(sentences.Prepend(right), Labels, worstCount: 2);

        Assert.Equal([0.9, 0.5], analysis.Worst.Select(sentence => sentence.Loss!.Value));
        Assert.Equal((4, 3), (analysis.SentenceCount, analysis.FaultySentenceCount));
    }

    [Fact]
    public void Without_losses_the_worst_have_the_most_errors_and_earlier_ones_win_ties()
    {
        var sentences = ((string[])["a O", "b B-PER", "c B-PER", "d B-PER"]).Select(text => text.Split(' '))
            .Select(part => Judged(part[0] + " x", "O O", part[1] + (part[0] == "c" ? " B-LOC" : " O"))).ToList();

        Assert.Equal(["c", "b"], ErrorAnalysis.Of(sentences, Labels, worstCount: 2).Worst.Select(sentence => sentence.Words[0]));
        var none = ErrorAnalysis.Of(sentences, Labels, worstCount: 0);
        Assert.Equal((0, 4, 3), (none.Worst.Count, none.SentenceCount, none.FaultySentenceCount));
        Assert.Null(none.Known);
        Assert.Null(none.Unseen);
        Assert.Throws<ArgumentOutOfRangeException>(() => ErrorAnalysis.Of(sentences, Labels, worstCount: -1));
    }

    [Fact]
    public void A_split_without_sentences_or_entities_has_no_errors()
    {
        Assert.All(ErrorAnalysis.Of([], Labels).Outcomes.Values, count => Assert.Equal(0, count));
        Assert.Empty(ErrorAnalysis.Of([Judged("a b", "O O", "O O")], Labels).Worst);
    }

    [Fact]
    public void Tags_that_do_not_fit_the_words_are_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => ErrorAnalysis.Of([new(["a"], [0, 0], [0])], Labels));

        Assert.Contains("1 words has 2 gold and 1 predicted tags", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_missing_is_named() => Assert.All<(string Name, Action Call)>(
        [
            ("sentences", () => ErrorAnalysis.Of(null!, Labels)), ("labels", () => ErrorAnalysis.Of([], null!)),
            ("sentences", () => SplitStatistics.Of("test", null!, Labels)), ("labels", () => SplitStatistics.Of("test", [], null!)),
            ("sentences", () => KnownEntities.Of(null!, Labels)), ("words", () => KnownEntities.SurfaceOf(null!, default)),
            ("training", () => LookupBaseline.Of(null!, Labels)), ("labels", () => LookupBaseline.Of([], null!)),
            ("words", () => LookupBaseline.Of([], Labels).Tag(null!)), ("sentences", () => LookupBaseline.Of([], Labels).Judge(null!)),
            ("sentences", () => LookupBaseline.Of([], Labels).Score(null!)),
            ("gold", () => SequenceScores.Compute(null!, [], EntityScheme.Lenient)),
            ("predicted", () => SequenceScores.Compute([], null!, EntityScheme.Lenient)),
        ],
        missing => Assert.Equal(missing.Name, Assert.Throws<ArgumentNullException>(missing.Call).ParamName));

    [Fact]
    public void Split_statistics_count_words_entities_and_the_unseen()
    {
        var known = KnownEntities.Of([Sentence("Rome", "B-LOC")], Labels);

        var statistics = SplitStatistics.Of("test", [Sentence("Ada saw Rome", "B-PER O B-LOC"), Sentence("and slept", "O O")], Labels, known);

        Assert.Equal((2, 5L, 3L, 2L, 1L),
            (statistics.Sentences, statistics.Words, statistics.OutsideWords, statistics.EntityCount, statistics.UnseenEntities!.Value));
        Assert.Equal([1, 0, 1], Labels.Types.Select(type => statistics.Entities[type]));
        Assert.Equal(0, SplitStatistics.Of("test", [Sentence("Rome", "B-LOC")], Labels, known).UnseenEntities);
        Assert.Null(SplitStatistics.Of("train", [], Labels).UnseenEntities);
    }

    [Fact]
    public void Calibration_bins_hold_means_and_the_expected_error_weighs_them()
    {
        var calibration = new Calibration(10);
        calibration.Add(0.91, true);
        calibration.Add(0.99, false);
        calibration.Add(0.35, false);
        calibration.Add(1.0, true);

        // Bins: 0.35 → wrong; (0.91 + 0.99 + 1.0) / 3 with 2 of 3 right. ECE = (0.35 + 3·|0.966667 − 0.666667|) / 4 = 0.3125.
        Assert.Equal([(0.35, 0.0, 1), ((0.91 + 0.99 + 1.0) / 3, 2 / 3.0, 3)], calibration.Bins.Select(bin => (bin.Confidence, bin.Accuracy, bin.Count)));
        Assert.Equal(0.3125, calibration.ExpectedError, 1e-12);
        Assert.Equal(0, new Calibration().ExpectedError);
        // A softmax may round up a little.
        calibration.Add(1.0000005, true);
        Assert.All([double.NaN, -0.001, 1.00001], confidence => Assert.Throws<ArgumentOutOfRangeException>(() => calibration.Add(confidence, true)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Calibration(0));
    }

    private static Sentence Sentence(string words, string tags) => new(words.Split(' '), [.. tags.Split(' ').Select(tag => Labels.FindId(tag)!.Value)]);

    private static JudgedSentence Judged(string words, string gold, string predicted) =>
        new(words.Split(' '), Sentence(words, gold).Tags, Sentence(words, predicted).Tags);
}
