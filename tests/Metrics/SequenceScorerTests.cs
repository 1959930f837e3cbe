using CsCheck;
using NotebookLib.Data;
using NotebookLib.Metrics;

namespace NotebookLib.Tests.Metrics;

public class SequenceScorerTests
{
    private const double Tolerance = 1e-12;
    private static readonly LabelSet Labels = new(["PER", "ORG", "LOC"]);

    [Fact]
    public void A_worked_example_has_the_scores_of_its_counts()
    {
        // Gold: MISC 3-6, PER 0-2. Predicted: MISC 2-6, PER 0-2: one of two is right (the example of seqeval's own documentation).
        var scores = SequenceScores.Compute(
            [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
            [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
            EntityScheme.Lenient);

        Assert.Equal(["MISC", "PER"], scores.Types.Select(row => row.Name));
        Assert.Equal(new ScoreRow("micro avg", 0.5, 0.5, 0.5, 2, 2, 1), scores.Micro);
        Assert.Equal(new ScoreRow("macro avg", 0.5, 0.5, 0.5, 2, 2, 1), scores.Macro);
        Assert.Equal(8.0 / 10, scores.Accuracy, Tolerance);
        Assert.Equal((2, 10), (scores.SentenceCount, scores.TokenCount));
    }

    [Fact]
    public void A_perfect_prediction_scores_one_everywhere() => TagSequences.Pairs.Sample(pairs =>
    {
        var scorer = new SequenceScorer(Labels);
        foreach (var (gold, _) in pairs)
        {
            scorer.Add(gold, gold);
        }

        var scores = scorer.Scores(EntityScheme.Lenient);
        var expected = scores.Types.Count == 0 ? 0 : 1;
        Assert.All([scores.Micro, scores.Macro, scores.Weighted], row => Assert.Equal((expected, expected, expected), (row.Precision, row.Recall, row.F1)));
        Assert.Equal(scores.TokenCount == 0 ? 0 : 1, scores.Accuracy);
    });

    [Fact]
    public void Scores_stay_in_bounds_and_exchanging_gold_and_prediction_exchanges_precision_and_recall() => TagSequences.Pairs.Sample(pairs =>
    {
        foreach (var scheme in Enum.GetValues<EntityScheme>())
        {
            var (there, back) = (Score(pairs, scheme), Score([.. pairs.Select(pair => (pair.Predicted, pair.Gold))], scheme));
            ScoreRow[] rows = [.. there.Types, there.Micro, there.Macro, there.Weighted];
            Assert.All(rows, row =>
                Assert.True(row is { Precision: >= 0 and <= 1 + Tolerance, Recall: >= 0 and <= 1 + Tolerance, F1: >= 0 and <= 1 + Tolerance }));
            Assert.All(rows, row => Assert.True(row.Correct <= Math.Min(row.Support, row.Predicted)));
            Assert.Equal((there.Micro.Precision, there.Micro.Recall), (back.Micro.Recall, back.Micro.Precision));
            Assert.Equal(there.Macro.F1, back.Macro.F1, Tolerance);
        }
    });

    [Fact]
    public void An_entity_without_a_beginning_counts_in_lenient_reading_alone()
    {
        var scorer = new SequenceScorer(Labels);
        scorer.Add((int[])[2, 0, 1], [2, 0, 1]);

        Assert.Equal((2, 1), (scorer.Scores(EntityScheme.Lenient).Micro.Correct, scorer.Scores(EntityScheme.StrictIob2).Micro.Correct));
    }

    [Fact]
    public void Strict_reading_finds_no_more_entities_than_lenient_reading() => TagSequences.Pairs.Sample(pairs =>
    {
        var (lenient, strict) = (Score(pairs, EntityScheme.Lenient), Score(pairs, EntityScheme.StrictIob2));
        Assert.True(strict.Micro.Support <= lenient.Micro.Support);
        Assert.True(strict.Micro.Predicted <= lenient.Micro.Predicted);
        Assert.True(strict.Micro.Correct <= lenient.Micro.Correct);
        Assert.Equal(lenient.Accuracy, strict.Accuracy);
    });

    [Fact]
    public void The_order_of_sentences_does_not_matter() => TagSequences.Pairs.Sample(pairs =>
        Assert.Equal(Score(pairs, EntityScheme.Lenient).ToReport(4), Score([.. pairs.Reverse()], EntityScheme.Lenient).ToReport(4)));

    [Fact]
    public void Ids_of_either_width_and_names_score_the_same() => TagSequences.Pairs.Sample(pairs =>
    {
        var (wide, named) = (new SequenceScorer(Labels), new SequenceScorer());
        foreach (var (gold, predicted) in pairs)
        {
            wide.Add([.. gold.Select(id => (long)id)], [.. predicted.Select(id => (long)id)]);
            named.Add([.. gold.Select(id => Labels.Names[id])], [.. predicted.Select(id => Labels.Names[id])]);
        }

        var expected = Score(pairs, EntityScheme.StrictIob2).ToReport(6);
        Assert.Equal(expected, wide.Scores(EntityScheme.StrictIob2).ToReport(6));
        Assert.Equal(expected, named.Scores(EntityScheme.StrictIob2).ToReport(6));
    });

    [Fact]
    public void Pieces_without_a_label_are_left_out_whatever_was_predicted_there()
    {
        var (with, without) = (new SequenceScorer(Labels), new SequenceScorer(Labels));

        with.Add((int[])[-100, 1, -100, 2, 0, -100], [5, 1, 3, 2, 0, 999]);
        without.Add((int[])[1, 2, 0], [1, 2, 0]);

        Assert.Equal(without.Scores(EntityScheme.Lenient).ToReport(3), with.Scores(EntityScheme.Lenient).ToReport(3));
        Assert.Equal(3, with.Scores(EntityScheme.Lenient).TokenCount);
        Assert.Equal(1, with.Scores(EntityScheme.Lenient).Micro.F1);
    }

    [Theory]
    [InlineData(0, 0.0, 0.0, 0.0)]
    [InlineData(1, 0.0, 1.0, 0.0)]
    public void Zero_division_decides_what_an_undefined_score_is(int zeroDivision, double precision, double recall, double f1)
    {
        // One entity predicted, none in gold: recall is undefined, precision is 0.
        var row = SequenceScores.Compute([["O", "O"]], [["B-PER", "O"]], EntityScheme.Lenient, zeroDivision).Types.Single();
        Assert.Equal((precision, recall, f1), (row.Precision, row.Recall, row.F1));
    }

    [Fact]
    public void Averages_weigh_types_alike_or_by_their_support()
    {
        SequenceScores Scores(int zeroDivision) =>
            SequenceScores.Compute([["B-PER", "B-PER", "B-PER", "B-LOC"]], [["B-PER", "B-PER", "O", "B-PER"]], EntityScheme.Lenient, zeroDivision);

        // PER: 2 of 3 right, 3 in gold. LOC: 1 in gold, none predicted, so that its precision is undefined.
        var scores = Scores(0);
        Assert.Equal(4 / 7.0, scores.Micro.F1, Tolerance);
        Assert.Equal((2 / 3.0, 0.5, scores.Micro.F1, 4L, 3L, 2L), Numbers(scores.Micro));
        Assert.Equal((1 / 3.0, 1 / 3.0, 1 / 3.0, 4L, 3L, 2L), Numbers(scores.Macro));
        Assert.Equal((0.5, 0.5, 0.5, 4L, 3L, 2L), Numbers(scores.Weighted));
        Assert.Equal(0.5, scores.Accuracy);
        Assert.Equal((0.75, 0.5, 0.5, 4L, 3L, 2L), Numbers(Scores(1).Weighted));
    }

    [Theory]
    [InlineData("O", 0, 0, 0, 0)]
    [InlineData("O", 1, 1, 1, 1)]
    [InlineData("B-PER", 0, 0, 0, 0)]
    [InlineData("B-PER", 1, 0, 1, 0)]
    public void Without_entities_in_gold_averages_are_what_zero_division_says(string predicted, int zeroDivision, double precision, double recall, double f1)
    {
        var scores = SequenceScores.Compute([["O"]], [[predicted]], EntityScheme.Lenient, zeroDivision);

        Assert.All([scores.Micro, scores.Macro, scores.Weighted], row =>
            Assert.Equal((precision, recall, f1, 0L, predicted == "O" ? 0L : 1L, 0L), Numbers(row)));
    }

    [Theory]
    [InlineData(16, 39)]
    [InlineData(39, 16)]
    public void Types_of_any_number_are_counted_each_by_itself(int first, int second)
    {
        var labels = new LabelSet([.. Enumerable.Range(0, 40).Select(type => $"T{type:00}")]);
        var scorer = new SequenceScorer(labels);

        scorer.Add((int[])[1, (2 * first) + 1, (2 * second) + 1], [1, (2 * first) + 1, 0]);

        Assert.Equal([("T00", 1L, 1L), ($"T{first}", 1L, 1L), ($"T{second}", 1L, 0L)],
            scorer.Scores(EntityScheme.Lenient).Types.OrderByDescending(row => row.Correct).Select(row => (row.Name, row.Support, row.Correct)));
    }

    [Theory]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(600)]
    public void Sentences_of_any_length_are_counted_whole(int length)
    {
        var scorer = new SequenceScorer(Labels);
        long[] tags = [.. Enumerable.Range(0, length).Select(i => (long)(i % 7))];

        scorer.Add(tags, tags);

        Assert.Equal((1, length, 1, 1), (scorer.Scores(EntityScheme.Lenient).SentenceCount, scorer.Scores(EntityScheme.Lenient).TokenCount,
            scorer.Scores(EntityScheme.Lenient).Micro.F1, scorer.Scores(EntityScheme.Lenient).Accuracy));
        Assert.Equal(0, new SequenceScorer().Scores(EntityScheme.Lenient).Accuracy);
    }

    [Fact]
    public void Sequences_that_do_not_pair_up_are_refused()
    {
        var third = new SequenceScorer();
        third.Add(["O"], ["O"]);
        third.Add(["O"], ["O"]);
        Assert.Contains("Sentence 3: 0 gold", Assert.Throws<ArgumentException>(() => third.Add([], ["O"])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new SequenceScorer(Labels).Add((long[])[0], [0, 0]));
        Assert.Throws<OverflowException>(() => new SequenceScorer(Labels).Add((long[])[1L << 32], [0]));
        Assert.Throws<OverflowException>(() => new SequenceScorer(Labels).Add((long[])[0], [1L << 32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SequenceScorer(Labels).Add((int[])[7], [0]));
        Assert.All([-1, 2], zero => Assert.Throws<ArgumentOutOfRangeException>(() => third.Scores(EntityScheme.Lenient, zero)));
        var error = Assert.Throws<ArgumentException>(() => new SequenceScorer().Add(["O", "O"], ["O"]));
        Assert.Contains("2 gold tags but 1 predicted", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => SequenceScores.Compute([["O"]], [], EntityScheme.Lenient));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SequenceScorer(Labels).Add((int[])[0], [7]));
        Assert.Throws<InvalidOperationException>(() => new SequenceScorer().Add((int[])[0], [0]));
    }

    [Fact]
    public void Thirty_three_thousand_sentences_stream_through_a_few_numbers_per_type()
    {
        var random = new Random(1);
        var sentences = Enumerable.Range(0, 33_000).Select(_ => (Gold: Tags(random), Predicted: Tags(random))).ToList();
        var scorer = new SequenceScorer(LabelSet.SystemA);
        var before = GC.GetAllocatedBytesForCurrentThread();

        foreach (var (gold, predicted) in sentences)
        {
            scorer.Add(gold, predicted);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < sentences.Count, $"{allocated:N0} bytes for {sentences.Count:N0} sentences");
        Assert.Equal(33_000, scorer.Scores(EntityScheme.Lenient).SentenceCount);
    }

    private static (double Precision, double Recall, double F1, long Support, long Predicted, long Correct) Numbers(ScoreRow row) =>
        (row.Precision, row.Recall, row.F1, row.Support, row.Predicted, row.Correct);

    private static int[] Tags(Random random) => [.. Enumerable.Range(0, 23).Select(_ => random.Next(5) == 0 ? random.Next(31) : 0)];

    private static SequenceScores Score((int[] Gold, int[] Predicted)[] pairs, EntityScheme scheme)
    {
        var scorer = new SequenceScorer(Labels);
        foreach (var (gold, predicted) in pairs)
        {
            scorer.Add(gold, predicted);
        }

        return scorer.Scores(scheme);
    }
}
