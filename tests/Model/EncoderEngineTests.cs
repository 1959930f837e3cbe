using NotebookLib.Batching;
using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>The two ways of computing the layers: by kernels and as modules.</summary>
public sealed class EncoderEngineTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(false, true, false)]
    [InlineData(false, false, false)]
    [InlineData(false, true, true)]
    [InlineData(true, true, false)]
    [InlineData(true, false, false)]
    [InlineData(true, true, true)]
    public void Both_draw_the_same_dropout_and_so_give_the_same_scores_and_gradients(bool hasAdapters, bool sharesKeys, bool recomputes)
    {
        using var model = GroupedPasses.New(hasAdapters: hasAdapters, sharesKeys: sharesKeys);
        var kernels = GroupedPasses.Run(model, together: false);
        var drawn = model.Random.Counter;
        (model.Engine.UsesKernels, model.Engine.RecomputesActivations) = (false, recomputes);

        var modules = GroupedPasses.Run(model, together: false);

        Assert.Equal(drawn, model.Random.Counter);
        // The gradient of a key's bias is zero but for rounding: softmax does not see what is added to all scores of a row.
        GroupedPasses.AssertClose(kernels, modules, 1e-5, least: 0.05);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // biases alone are trained
    public void Weights_that_change_in_a_training_count_at_once_in_passes_outside_an_update(bool areMatricesFrozen)
    {
        using var model = GroupedPasses.New();
        foreach (var parameter in model.parameters().Where(parameter => areMatricesFrozen && parameter.dim() > 1))
        {
            parameter.requires_grad = false;
        }

        using var training = model.Engine.KeepTrainingMemory();
        _ = GroupedPasses.Run(model, together: true, ScalarType.BFloat16);
        using (no_grad())
        {
            foreach (var parameter in model.parameters().Where(parameter => parameter.requires_grad))
            {
                parameter.mul_(1.25f).add_(0.1f);
            }
        }

        model.eval();
        var kept = Logits(model);
        training.Dispose();

        Numbers.AssertClose(kept, Logits(model), 0, "logits");
    }

    // Without the promise that no weight changes.
    private static Tensor Logits(DebertaV2ForTokenClassification model)
    {
        using var quiet = no_grad();
        using var half = Autocast.Enter(ScalarType.BFloat16);
        using var batch = Batch.OfGroups(GroupedPasses.Sentences(model.Config));
        return model.Score(batch).to(ScalarType.Float32);
    }
}
