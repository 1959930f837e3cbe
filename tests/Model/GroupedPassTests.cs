using NotebookLib.Batching;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Several micro-batches in one pass: the numbers of one pass each, dropout included.</summary>
public sealed class GroupedPassTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void One_pass_gives_the_gradient_of_one_pass_for_each(bool hasAdapters, bool recomputes)
    {
        using var model = GroupedPasses.New(hasAdapters: hasAdapters);
        (model.Engine.RecomputesActivations, model.Engine.ActivationBudget) = (recomputes, 0);

        GroupedPasses.AssertClose(GroupedPasses.Run(model, together: false), GroupedPasses.Run(model, together: true), 1e-6);
    }

    [Fact]
    public void In_bfloat16_each_pass_rounds_its_own_gradients()
    {
        using var model = GroupedPasses.New();

        GroupedPasses.AssertClose(GroupedPasses.Run(model, together: false, bfloat16), GroupedPasses.Run(model, together: true, bfloat16), 0.02);
    }

    [Fact]
    public void Evaluated_together_they_have_the_same_scores()
    {
        using var model = GroupedPasses.New();
        model.eval();

        GroupedPasses.AssertClose(GroupedPasses.Run(model, together: false), GroupedPasses.Run(model, together: true), 1e-6);
    }

    [Fact]
    public void Another_seed_gives_other_numbers()
    {
        using var model = GroupedPasses.New();
        var groups = GroupedPasses.Sentences(model.Config);
        using var batch = Batch.OfGroups(groups);
        Tensor Score(long seed)
        {
            (model.Random.Seed, model.Random.Counter) = (seed, 17);
            return model.Score(batch);
        }

        Assert.Equal(0, Numbers.Difference(Score(7), Score(7)));
        Assert.True(Numbers.Difference(Score(7), Score(8)) > 0.1);
    }

    [Fact]
    public void Modules_take_one_micro_batch_at_a_time_and_say_so()
    {
        using var model = GroupedPasses.New();
        model.Engine.UsesKernels = false;
        using var batch = Batch.OfGroups(GroupedPasses.Sentences(model.Config));

        Assert.False(model.TakesGroups);
        Assert.Contains("3 micro-batches", Assert.Throws<NotSupportedException>(() => model.Score(batch)).Message, StringComparison.Ordinal);
    }
}
