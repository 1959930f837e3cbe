using NotebookLib.Model;
using NotebookLib.Model.Fused;
using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>The kernels in training: what goldens without dropout cannot see.</summary>
public sealed class KernelTrainingTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData("deberta.encoder.layer.0.attention.self.query_proj.weight")]
    [InlineData("deberta.encoder.layer.0.attention.self.value_proj.weight")]
    [InlineData("deberta.encoder.layer.0.attention.output.dense.weight")]
    [InlineData("deberta.encoder.layer.0.intermediate.dense.weight")]
    [InlineData("deberta.encoder.layer.1.output.dense.weight")]
    [InlineData("deberta.encoder.rel_embeddings.weight")]
    [InlineData("deberta.embeddings.word_embeddings.weight")]
    public void With_dropout_the_gradient_is_the_slope_of_the_loss(string name)
    {
        using var model = New();
        var parameter = model.named_parameters().Single(pair => pair.name == name).parameter;
        BackwardPass.Run(Loss(model));
        var direction = parameter.grad!.clone();
        var slope = direction.norm().item<float>();

        // Central difference along the gradient itself, where the slope is its length: an error of some 1e-3 is float32's.
        var step = 0.02 / slope;
        var difference = (LossAfter(model, parameter, direction * step) - LossAfter(model, parameter, direction * -step)) / (2 * step * slope);

        Assert.Equal(1, difference / slope, 0.01);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Bfloat16_products_stay_near_float32(bool usesKernels)
    {
        using var model = New();
        model.Engine.UsesKernels = usesKernels;
        var exact = LossAndGradient(model);
        using var autocast = Autocast.Enter(bfloat16);
        var rounded = LossAndGradient(model);

        // Eight bits of mantissa through three layers.
        Assert.Equal(exact.Loss, rounded.Loss, 0.02 * exact.Loss);
        Assert.NotEqual(exact.Loss, rounded.Loss);
        Assert.True((exact.Gradient - rounded.Gradient).norm().item<float>() < 0.1 * exact.Gradient.norm().item<float>());

        static (float Loss, Tensor Gradient) LossAndGradient(DebertaV2ForTokenClassification model)
        {
            model.zero_grad();
            var loss = Loss(model);
            BackwardPass.Run(loss);
            return (loss.item<float>(), model.Deberta.Encoder.Layers[0].Intermediate.Dense.Weight.grad!.clone());
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(95)]
    [InlineData(96)]
    [InlineData(131)]
    public void Sentences_of_any_length_give_the_modules_numbers(int longest)
    {
        using var model = New();
        model.eval();
        var lengths = new[] { longest, (longest / 2) + 1, 1 };
        var mask = (arange(longest).unsqueeze(0) < tensor(lengths).unsqueeze(1)).to(int64);
        using var generator = new Generator(8);
        var ids = randint(1, model.Config.VocabSize, [3, longest], int64, generator: generator) * mask;
        var labels = where(mask.eq(1), randint(0, model.Config.Labels.Count, [3, longest], int64, generator: generator), tensor(-100L));
        Dictionary<string, Tensor> Gradients(bool usesKernels)
        {
            model.zero_grad();
            model.Engine.UsesKernels = usesKernels;
            var logits = model.call(ids, mask);
            BackwardPass.Run(DebertaV2ForTokenClassification.Loss(logits, labels));
            return model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.grad!.clone());
        }

        var (ours, modules) = (Gradients(true), Gradients(false));

        Assert.All(ours, pair => Numbers.AssertClose(pair.Value, modules[pair.Key], 1e-5 * Math.Max(1, modules[pair.Key].abs().max().item<float>()), pair.Key));
    }

    [Fact]
    public void Kept_weight_copies_serve_both_types_in_turn_and_are_made_anew_afterwards()
    {
        using var model = New();
        model.eval();
        using var quiet = no_grad();
        var (ids, mask, _) = Inputs();
        Tensor Half()
        {
            using var autocast = Autocast.Enter(bfloat16);
            return model.call(ids, mask);
        }

        var (exact, half) = (model.call(ids, mask), Half());
        using (model.Engine.KeepWeightCopies())
        {
            // The weights are rearranged for oneDNN: another order of additions.
            Numbers.AssertClose(model.call(ids, mask), exact, 1e-5, "float32 first");
            Numbers.AssertClose(Half(), half, 0.02, "bfloat16");
            Numbers.AssertClose(model.call(ids, mask), exact, 1e-5, "float32 again");
        }

        model.Deberta.Encoder.Layers[0].Intermediate.Dense.Weight.mul_(1.5);
        Assert.True(Numbers.Difference(Half(), half) > 1e-3);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gradients_keep_their_memory_through_a_training_and_their_numbers(bool isHalf)
    {
        using var model = New();
        model.Deberta.Encoder.Layers[1].Output.Dense.Weight.requires_grad = false;
        using var autocast = isHalf ? Autocast.Enter(bfloat16) : null;
        Dictionary<string, Tensor> TwiceAccumulated()
        {
            BackwardPass.Run(Loss(model));
            BackwardPass.Run(Loss(model));
            return model.Deberta.Encoder.Layers.SelectMany((layer, i) =>
                layer.named_parameters().Select(pair => (Name: $"{i}.{pair.name}", Gradient: pair.parameter.grad)))
                .Where(pair => pair.Gradient is not null).ToDictionary(pair => pair.Name, pair => pair.Gradient!);
        }

        var alone = TwiceAccumulated();
        ClearGradients(model);
        Dictionary<string, Tensor> first, second;
        Dictionary<string, nint> addresses;
        using (model.Engine.KeepTrainingMemory())
        {
            first = TwiceAccumulated();
            addresses = first.ToDictionary(pair => pair.Key, pair => AddressOf(pair.Value));
            ClearGradients(model);
            Assert.All(model.parameters(), parameter => Assert.Null(parameter.grad));
            second = TwiceAccumulated();
        }

        Assert.DoesNotContain("1.output.dense.weight", second.Keys);
        Assert.All(second, pair => Assert.Equal(addresses[pair.Key], AddressOf(pair.Value)));
        Assert.All(second, pair => Numbers.AssertClose(pair.Value, alone[pair.Key], 0, pair.Key));
        ClearGradients(model);
        // The training is over: whoever still holds a gradient has it to himself.
        _ = TwiceAccumulated();
        Assert.All(second, pair => Numbers.AssertClose(pair.Value, alone[pair.Key], 0, pair.Key));

        static unsafe nint AddressOf(Tensor tensor) => (nint)CpuMemory.Address(tensor);

        static void ClearGradients(DebertaV2ForTokenClassification model)
        {
            foreach (var parameter in model.parameters())
            {
                parameter.grad = null;
            }
        }
    }

    [Fact]
    public void Evaluation_is_the_same_alone_and_in_any_batch()
    {
        using var model = New();
        model.eval();
        using var quiet = no_grad();
        var (ids, mask, _) = Inputs();
        var together = model.call(ids, mask);
        for (var row = 0; row < ids.shape[0]; row++)
        {
            var length = mask[row].sum().item<long>();
            var alone = model.call(ids[row..(row + 1), ..(int)length], mask[row..(row + 1), ..(int)length]);

            Numbers.AssertClose(together[row, ..(int)length], alone[0], 1e-5, $"row {row}");
        }
    }

    private static DebertaV2ForTokenClassification New()
    {
        var golden = DebertaConfig.Read(Repository.PathOf("tests", "goldens", "model", "v3-tiny", "config.json"));
        var config = golden with { HiddenDropoutProb = 0.1, AttentionProbsDropoutProb = 0.2 };
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config));
        WeightInitializer.Initialize(model, config with { InitializerRange = 0.15 }, 5);
        model.train();
        return model;
    }

    private static Tensor Loss(DebertaV2ForTokenClassification model)
    {
        model.Random.Counter = 17;
        var (ids, mask, labels) = Inputs();
        return DebertaV2ForTokenClassification.Loss(model.call(ids, mask), labels);
    }

    private static double LossAfter(DebertaV2ForTokenClassification model, Tensor parameter, Tensor change)
    {
        using var quiet = no_grad();
        parameter.add_(change);
        var loss = Loss(model).item<float>();
        parameter.sub_(change);
        return loss;
    }

    private static (Tensor Ids, Tensor Mask, Tensor Labels) Inputs()
    {
        var ids = tensor(new long[,] { { 1, 5, 9, 44, 2, 0, 0 }, { 1, 7, 8, 9, 10, 11, 2 } });
        var mask = tensor(new long[,] { { 1, 1, 1, 1, 1, 0, 0 }, { 1, 1, 1, 1, 1, 1, 1 } });
        return (ids, mask, tensor(new long[,] { { -100, 3, 4, 0, -100, -100, -100 }, { -100, 1, 0, 0, 7, 8, -100 } }));
    }
}
