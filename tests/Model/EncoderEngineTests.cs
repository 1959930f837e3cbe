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
}
