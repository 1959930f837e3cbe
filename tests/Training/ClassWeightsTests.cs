using NotebookLib.Batching;
using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public class ClassWeightsTests
{
    // Label 0 four times, 1 once, 2 never.
    private static readonly EncodedSentence[] Rows =
        [new([1, 5, 6, 2], [-100, 0, 0, -100], [-1, 0, 1, -1]), new([1, 7, 8, 9, 2], [-100, 0, 1, 0, -100], [-1, 0, 1, 2, -1])];

    [Fact]
    public void Pieces_with_a_label_are_counted() => Assert.Equal([4, 1, 0], ClassWeights.Count(Rows, 3));

    [Theory]
    [InlineData(ClassWeighting.InverseSquareRoot, 0.5)]
    [InlineData(ClassWeighting.EffectiveNumber, 0.2503752)] // (1 − 0.999) / (1 − 0.999⁴)
    public void Rare_labels_weigh_more_and_the_mean_is_one(ClassWeighting weighting, double frequent)
    {
        var weights = ClassWeights.Of(weighting, Rows, 3)!;

        var mean = (frequent + 1 + 1) / 3;
        Assert.Equal([frequent / mean, 1 / mean, 1 / mean], weights, (a, b) => Math.Abs(a - b) < 1e-6);
        new TrainingSettings { ClassWeights = weights }.Validate();
    }

    [Fact]
    public void No_weighting_is_no_weights() => Assert.Null(ClassWeights.Of(ClassWeighting.None, Rows, 3));

    [Fact]
    public void A_label_beyond_the_set_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => ClassWeights.Count(Rows, 1));
}
