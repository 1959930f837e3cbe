using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Keeping no activations changes no number: with dropout on, by modules and by kernels, with everything below frozen.</summary>
public sealed class RecomputationTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(ScalarType.Float64, false, true, 0)]
    [InlineData(ScalarType.Float32, false, true, 0)]
    [InlineData(ScalarType.Float32, true, true, 0)]
    [InlineData(ScalarType.Float32, true, true, 60_000)]
    [InlineData(ScalarType.Float64, false, false, 0)]
    [InlineData(ScalarType.Float32, true, false, 0)]
    public void Gradients_are_the_same_to_the_bit(ScalarType dtype, bool usesKernels, bool isRelative, long budget)
    {
        using var model = New(dtype, isRelative);
        model.Engine.UsesKernels = usesKernels;
        model.Engine.ActivationBudget = budget;

        var kept = Gradients(model, recomputes: false);
        var recomputed = Gradients(model, recomputes: true);

        Assert.Equal(kept.Keys.Order(), recomputed.Keys.Order());
        Assert.All(kept, pair => Numbers.AssertClose(recomputed[pair.Key], pair.Value, 0, pair.Key));
        Assert.True(kept["deberta.encoder.layer.0.attention.self.query_proj.weight"].abs().max().to(float64).item<double>() > 0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_layer_above_frozen_embeddings_still_gets_its_gradient(bool usesKernels)
    {
        using var model = New(float32, isRelative: true);
        model.Engine.UsesKernels = usesKernels;
        foreach (var (_, parameter) in model.named_parameters().Where(pair => !pair.name.Contains("query_proj")))
        {
            parameter.requires_grad = false;
        }

        var gradients = Gradients(model, recomputes: true);

        Assert.Equal(3, gradients.Count(pair => pair.Key.EndsWith("query_proj.weight", StringComparison.Ordinal) && pair.Value.abs().max().item<float>() > 0));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Steps_leave_the_number_of_live_tensors_as_it_was(bool recomputes)
    {
        using var model = New(float32, isRelative: true);
        model.Engine.UsesKernels = false;
        Gradients(model, recomputes);
        long Live() => DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var before = Live();
        for (var step = 0; step < 3; step++)
        {
            Gradients(model, recomputes).Values.ToList().ForEach(gradient => gradient.Dispose());
        }

        Assert.Equal(before, Live());
    }

    [Fact]
    public void Kept_activations_stay_within_their_budget()
    {
        using var scope = NewDisposeScope();
        using var model = New(float32, isRelative: true);
        var encoder = model.Deberta.Encoder;
        var layers = encoder.Layers.Count;
        using var ids = ones(4, 40, ScalarType.Int64);
        Run();
        var (none, all) = (LiveAfterForward(0), LiveAfterForward(1L << 40));
        var perLayer = (all - none) / layers;

        var one = BudgetOf(1);

        Assert.True(none < all);
        Assert.Equal(none, LiveAfterForward(one - 1));
        Assert.Equal(none + perLayer, LiveAfterForward(one));
        Assert.Equal(none + (2 * perLayer), LiveAfterForward((2 * one) + 1));

        // The smallest budget at which so many layers are kept.
        long BudgetOf(int kept)
        {
            long low = 0, high = 1L << 30;
            while (low < high)
            {
                var middle = (low + high) / 2;
                (low, high) = LiveAfterForward(middle) < none + (kept * perLayer) ? (middle + 1, high) : (low, middle);
            }

            return low;
        }

        long LiveAfterForward(long budget)
        {
            (model.Engine.RecomputesActivations, model.Engine.ActivationBudget) = (true, budget);
            var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            var logits = model.call(ids, ones_like(ids));
            var during = DisposeScopeManager.Statistics.ThreadTotalLiveCount - before;
            BackwardPass.Run(logits.sum());
            return during;
        }

        void Run() => LiveAfterForward(0);
    }

    private static DebertaV2ForTokenClassification New(ScalarType dtype, bool isRelative)
    {
        var golden = DebertaConfig.Read(Repository.PathOf("tests", "goldens", "model", "v3-tiny", "config.json"));
        var config = golden with { HiddenDropoutProb = 0.1, AttentionProbsDropoutProb = 0.2, RelativeAttention = isRelative };
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config, dtype));
        WeightInitializer.Initialize(model, config with { InitializerRange = 0.2 }, 5);
        model.train();
        return model;
    }

    private static Dictionary<string, Tensor> Gradients(DebertaV2ForTokenClassification model, bool recomputes)
    {
        using var scope = NewDisposeScope();
        model.Engine.RecomputesActivations = recomputes;
        model.Random.Counter = 17;
        model.zero_grad();
        var ids = tensor(new long[,] { { 1, 5, 9, 44, 2, 0, 0 }, { 1, 7, 8, 9, 10, 11, 2 } });
        var mask = tensor(new long[,] { { 1, 1, 1, 1, 1, 0, 0 }, { 1, 1, 1, 1, 1, 1, 1 } });
        var labels = tensor(new long[,] { { -100, 3, 4, 0, -100, -100, -100 }, { -100, 1, 0, 0, 7, 8, -100 } });
        BackwardPass.Run(DebertaV2ForTokenClassification.Loss(model.call(ids, mask), labels));
        return model.named_parameters().Where(pair => pair.parameter.grad is not null)
            .ToDictionary(pair => pair.name, pair => pair.parameter.grad!.clone().MoveToOuterDisposeScope());
    }
}
