using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

public sealed class DropoutTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.01)]
    public void The_share_of_zeros_and_the_mean_are_as_asked(double probability)
    {
        const int count = 4_000_000;
        var mask = new DropoutRandom(1).NextMask([count], probability, float32, CPU);
        var zeros = mask.eq(0).sum().item<long>() / (double)count;
        // Four standard deviations of a binomial share.
        var allowed = 4 * Math.Sqrt(probability * (1 - probability) / count) + 1 / 65_536.0;

        Assert.Equal(probability, zeros, allowed);
        Assert.Equal(1, mask.mean().item<float>(), 2 * allowed / (1 - probability));
        Assert.Equal(2, mask.unique().output.numel());
    }

    [Fact]
    public void Neighbours_and_successive_masks_are_independent()
    {
        const int count = 1 << 20;
        var random = new DropoutRandom(2);
        var first = random.NextMask([count], 0.5, float32, CPU).ne(0).to(float32) - 0.5;
        var second = random.NextMask([count], 0.5, float32, CPU).ne(0).to(float32) - 0.5;
        // Correlations of independent halves have standard deviation 1/√n; the factor 4 normalises the product of two ±0.5.
        var allowed = 5 / Math.Sqrt(count);

        Assert.Equal(0, 4 * (first * second).mean().item<float>(), allowed);
        foreach (var lag in (int[])[1, 2, 3, 8, 16, 64, 768, count / 2])
        {
            Assert.Equal(0, 4 * (first[lag..] * first[..^lag]).mean().item<float>(), allowed * Math.Sqrt(count / (double)(count - lag)));
        }
    }

    [Fact]
    public void The_same_seed_and_counter_give_the_same_mask_and_others_do_not()
    {
        var random = new DropoutRandom(3);
        var first = random.NextMask([7, 33], 0.3, float32, CPU);
        var second = random.NextMask([7, 33], 0.3, float32, CPU);
        random.Counter = 1;

        Numbers.AssertClose(random.NextMask([7, 33], 0.3, float32, CPU), second, 0, "replayed");
        Numbers.AssertClose(new DropoutRandom(3).NextMask([7, 33], 0.3, float32, CPU), first, 0, "seeded");
        Assert.True(Numbers.Difference(first, second) > 0);
        Assert.True(Numbers.Difference(new DropoutRandom(4).NextMask([7, 33], 0.3, float32, CPU), first) > 0);
    }

    [Fact]
    public void Dtypes_differ_in_width_only()
    {
        Tensor Mask(ScalarType dtype) => new DropoutRandom(5).NextMask([1001], 0.25, dtype, CPU);

        Numbers.AssertClose(Mask(float64), Mask(float32), 1e-7, "float64");
        Numbers.AssertClose(Mask(bfloat16), Mask(float32), 1e-2, "bfloat16");
    }

    [Fact]
    public void A_network_in_training_drops_and_replays_and_in_evaluation_does_not_drop()
    {
        using var model = ModelFolder.Load(Repository.PathOf("tests", "goldens", "model", "v3-tiny")).Model;
        var config = model.Config with { HiddenDropoutProb = 0.1, AttentionProbsDropoutProb = 0.1 };
        using var dropping = new DebertaV2ForTokenClassification(new ModelBuild(config));
        dropping.load_state_dict(model.state_dict());
        var (ids, mask) = (tensor(new long[,] { { 1, 5, 9, 2, 0 }, { 1, 7, 8, 9, 2 } }), tensor(new long[,] { { 1, 1, 1, 1, 0 }, { 1, 1, 1, 1, 1 } }));

        dropping.eval();
        Numbers.AssertClose(dropping.call(ids, mask), model.call(ids, mask), 0, "evaluation");
        Assert.Equal(0, dropping.Random.Counter);

        dropping.train();
        var first = dropping.call(ids, mask);
        var second = dropping.call(ids, mask);
        dropping.Random.Counter = 0;
        Assert.True(Numbers.Difference(first, second) > 1e-4);
        Numbers.AssertClose(dropping.call(ids, mask), first, 0, "replayed");
    }
}
