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
    public void Sequences_that_do_not_pair_up_are_refused()
    {
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
