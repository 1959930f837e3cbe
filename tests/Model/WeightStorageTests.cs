using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Tests.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

[Collection(AutocastTestGroup.Name)]
public sealed class WeightStorageTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly DebertaV2ForTokenClassification _model = LoraNetwork.Load();

    public void Dispose()
    {
        _model.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Int8_rows_are_off_by_half_a_step_at_most()
    {
        var weight = cat([randn(7, 48), zeros(1, 48), full(1, 48, 1e30f)]);

        var (rows, scales) = FrozenWeights.Quantise(weight);
        var restored = FrozenWeights.Restore(rows, scales, ScalarType.Float32);

        Assert.True(((restored - weight).abs() <= (scales.unsqueeze(1) * 0.50001)).all().item<bool>());
        Numbers.AssertClose(FrozenWeights.Restore(rows, scales, ScalarType.BFloat16).to(float32),
            (rows.to(float32) * scales.unsqueeze(1)).to(bfloat16).to(float32), 0, "bfloat16");
        Numbers.AssertClose(restored, rows.to(float32) * scales.unsqueeze(1), 0, "float32");
        // Widths that the kernel does not take.
        var (odd, oddScales) = FrozenWeights.Quantise(weight.narrow(1, 0, 21));
        Numbers.AssertClose(FrozenWeights.Restore(odd, oddScales, ScalarType.Float32), odd.to(float32) * oddScales.unsqueeze(1), 0, "21 columns");
    }

    [Theory]
    [InlineData(WeightStorage.BFloat16, true, false)]
    [InlineData(WeightStorage.BFloat16, true, true)]
    [InlineData(WeightStorage.BFloat16, false, true)]
    [InlineData(WeightStorage.Int8, true, false)]
    [InlineData(WeightStorage.Int8, true, true)]
    [InlineData(WeightStorage.Int8, false, false)]
    public void A_stored_base_computes_and_trains_as_the_dense_one_with_the_rounded_weights(WeightStorage storage, bool usesKernels, bool isHalf)
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);
        using var dense = LoraNetwork.Load();
        using var others = LoraAdapters.Load(LoraNetwork.AdapterFolder, dense);
        (_model.Engine.UsesKernels, dense.Engine.UsesKernels) = (usesKernels, usesKernels);
        FrozenWeights.Store(_model, storage);
        FrozenWeights.Store(dense, storage);
        FrozenWeights.Store(dense, WeightStorage.Dense);

        var (logits, gradients) = Step(_model, isHalf);
        var (expectedLogits, expectedGradients) = Step(dense, isHalf);

        Assert.Equal(storage, _model.Deberta.Encoder.Layers[0].Output.Dense.Storage);
        Numbers.AssertClose(logits, expectedLogits, 0, "logits");
        Assert.Equal(14, gradients.Count);
        Assert.All(gradients, pair => Numbers.AssertClose(pair.Value, expectedGradients[pair.Key], 0, pair.Key));
    }

    [Theory]
    [InlineData(WeightStorage.BFloat16, 2)]
    [InlineData(WeightStorage.Int8, 4)]
    public void Storing_saves_what_it_says_and_stays_near(WeightStorage storage, int times)
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);
        var before = LoraNetwork.Logits(_model);
        var linear = _model.Deberta.modules().OfType<Projection>().Sum(projection => projection.Weight.numel());

        var saved = FrozenWeights.Store(_model, storage);

        var scales = storage == WeightStorage.Int8 ? 4 * _model.Deberta.modules().OfType<Projection>().Sum(projection => projection.Weight.shape[0]) : 0;
        Assert.Equal((4 * linear) - (4 * linear / times) - scales, saved);
        Assert.All(LoraNetwork.Logits(_model).Zip(before), pair => Assert.Equal(pair.Second, pair.First, 0.02f));
        Assert.Equal(WeightStorage.Dense, _model.Classifier.Storage);
        Assert.Contains("WeightStorage.Dense", Assert.Throws<InvalidOperationException>(() =>
        {
            adapters.Merge();
            ModelFolder.Save(_model, Path.GetTempPath());
        }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Merging_into_a_stored_base_and_back_restores_every_bit()
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);
        FrozenWeights.Store(_model, WeightStorage.Int8);
        var (bytes, logits) = (LoraNetwork.BaseBytes(_model), LoraNetwork.Logits(_model));

        adapters.Merge();
        var merged = LoraNetwork.Logits(_model);
        adapters.Unmerge();

        Assert.All(merged.Zip(logits), pair => Assert.Equal(pair.Second, pair.First, 1e-5f));
        Assert.Equal(bytes, LoraNetwork.BaseBytes(_model));
        Assert.Equal(logits, LoraNetwork.Logits(_model));
        adapters.Detach();
        Assert.All(_model.parameters(), parameter => Assert.True(parameter is { requires_grad: true, dtype: ScalarType.Float32 }));
    }

    [Fact]
    public void Weights_that_are_trained_are_never_rounded()
    {
        Assert.Contains("No linear layer is frozen", Assert.Throws<InvalidOperationException>(() => FrozenWeights.Store(_model, WeightStorage.Int8)).Message,
            StringComparison.Ordinal);
        Assert.Equal(0, FrozenWeights.Store(_model, WeightStorage.Dense));
    }

    private static (Tensor Logits, Dictionary<string, Tensor> Gradients) Step(DebertaV2ForTokenClassification model, bool isHalf)
    {
        Tensor logits, loss;
        using (isHalf ? NotebookLib.Platform.Autocast.Enter(ScalarType.BFloat16) : null)
        {
            model.eval();
            logits = model.call(tensor(new long[,] { { 1, 5, 9, 44, 2, 0 }, { 1, 7, 8, 9, 10, 2 } }),
                tensor(new long[,] { { 1, 1, 1, 1, 1, 0 }, { 1, 1, 1, 1, 1, 1 } }));
            loss = DebertaV2ForTokenClassification.Loss(logits, tensor(new long[,] { { -100, 3, 4, 0, -100, -100 }, { -100, 1, 2, 2, 0, -100 } }));
        }

        loss.backward();
        return (logits.to(float32), model.named_parameters().Where(pair => pair.parameter.grad is not null)
            .ToDictionary(pair => pair.name, pair => pair.parameter.grad!, StringComparer.Ordinal));
    }
}
