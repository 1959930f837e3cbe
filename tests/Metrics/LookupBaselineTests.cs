using NotebookLib.Data;
using NotebookLib.Metrics;

namespace NotebookLib.Tests.Metrics;

public sealed class LookupBaselineTests
{
    private static readonly LabelSet Labels = new(["PER", "LOC"]);

    private static readonly LookupBaseline Baseline = LookupBaseline.Of(
        [
            new(["New", "York", "and", "York"], [3, 4, 0, 3]),
            new(["Paris", "met", "Paris", "in", "Paris"], [1, 0, 3, 0, 3]),
        ],
        Labels);

    [Fact]
    public void The_longest_match_wins_and_the_most_frequent_type() =>
        Assert.Equal([0, 3, 4, 3, 3], Baseline.Tag(["In", "New", "York", "York", "Paris"]));

    [Fact]
    public void What_training_never_saw_stays_outside() => Assert.Equal([0, 0], Baseline.Tag(["London", "New"]));

    [Fact]
    public void A_sentence_is_judged_by_what_the_table_says() =>
        Assert.Equal([3, 4, 0], Assert.Single(Baseline.Judge([new(["New", "York", "slept"], [0, 0, 1])])).Predicted);

    [Fact]
    public void Its_scores_are_seqevals()
    {
        var scores = Baseline.Score([new(["Paris", "slept"], [1, 0]), new(["New", "York"], [3, 4])]);

        Assert.Equal((0.5, 0.5), (scores.Micro.Precision, scores.Micro.Recall));
    }
}
