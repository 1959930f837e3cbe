using NotebookLib.Batching;
using NotebookLib.Inference;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Tests.Inference;
using NotebookLib.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Whole networks with the encoder's products in int8.</summary>
public sealed class Int8ProductsTests : IDisposable
{
    private static readonly int[] s_lengths = [1, 3, 7, 16, 17, 40];

    private readonly DisposeScope _scope = NewDisposeScope();

    public Int8ProductsTests() => Assert.SkipWhen(DispatcherOperators.Int8Problem is not null, DispatcherOperators.Int8Problem ?? "");

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData("p2c", "c2p")]
    [InlineData("c2p")]
    [InlineData("p2c")]
    [InlineData]
    public void Logits_stay_near_those_in_float32(params string[] terms)
    {
        using var model = New(config => config with { PosAttType = terms });
        var exact = Score(model, isInt8: false);

        var rounded = Score(model, isInt8: true);

        // Eight bits, twice in each of eight products of three layers: some per cent of the whole.
        Assert.True((rounded - exact).norm().item<float>() < 0.05 * exact.norm().item<float>());
        Assert.NotEqual(0, (rounded - exact).abs().max().item<float>());
    }

    [Fact]
    public void A_sentence_has_the_scores_that_it_has_alone()
    {
        using var model = New();
        var together = Score(model, isInt8: true);

        var alone = cat([.. Sentences(model).Select(sentence => Score(model, isInt8: true, sentence))]);
        var paired = cat([.. Sentences(model).Chunk(2).Select(pair => Score(model, isInt8: true, pair))]);

        // The head alone is a product in float32, whose order of additions may follow the number of rows.
        Assert.True((together - alone).abs().max().item<float>() < 1e-5);
        Assert.True((together - paired).abs().max().item<float>() < 1e-5);
    }

    [Fact]
    public void Weights_are_quantised_once_for_as_long_as_they_are_promised_to_stay()
    {
        using var model = New();
        using var quiet = no_grad();
        var weight = model.Deberta.Encoder.Layers[1].Intermediate.Dense.Weight;
        Tensor before, kept;
        using (model.Engine.KeepWeightCopies())
        {
            before = Score(model, isInt8: true);
            using (model.Engine.KeepWeightCopies())
            {
                weight.neg_();
            }

            kept = Score(model, isInt8: true);
        }

        var after = Score(model, isInt8: true);
        weight.neg_();

        Assert.True(kept.equal(before).all().item<bool>());
        Assert.True((after - before).abs().max().item<float>() > 0.01);
        Assert.True(Score(model, isInt8: true).equal(before).all().item<bool>());
    }

    [Fact]
    public void What_an_adapter_adds_is_quantised_with_the_weight()
    {
        using var model = New();
        var plain = Score(model, isInt8: true);
        using var adapters = LoraAdapters.Attach(model, new LoraSettings(), 42);
        using (no_grad())
        {
            foreach (var (_, parameter) in model.named_parameters().Where(pair => pair.name.Contains("lora_", StringComparison.Ordinal)))
            {
                parameter.copy_((arange(parameter.numel(), float32) + 1).sin().view(parameter.shape) * 0.1f);
            }
        }

        model.eval();
        var attached = Score(model, isInt8: true);
        adapters.Merge();
        var merged = Score(model, isInt8: true);

        Assert.True((attached - plain).norm().item<float>() > 0.05 * plain.norm().item<float>());
        Assert.True((attached - merged).norm().item<float>() < 0.02 * plain.norm().item<float>());
    }

    [Fact]
    public void A_base_that_is_stored_in_int8_keeps_its_bytes()
    {
        using var model = New();
        foreach (var parameter in model.parameters())
        {
            parameter.requires_grad_(false);
        }

        var dense = Score(model, isInt8: true);
        FrozenWeights.Store(model, WeightStorage.Int8);

        Assert.True((Score(model, isInt8: true) - dense).norm().item<float>() < 0.01 * dense.norm().item<float>());
    }

    [Fact]
    public void A_trained_model_finds_the_same_entities()
    {
        var folder = Directory.CreateTempSubdirectory("int8-");
        try
        {
            TrainedFolder.Save(folder.FullName);
            string[] texts = [string.Join(' ', TrainedFolder.Words), "Marie Curie was in Warsaw and in Paris .", "Paris", "the and of a ."];
            using var exact = EntityTagger.Load(folder.FullName, new LoadOptions());
            using var rounded = EntityTagger.Load(folder.FullName, new LoadOptions(), precision: TrainingPrecision.Int8);

            var expected = exact.TagAll(texts, cancellation: TestContext.Current.CancellationToken);
            var actual = rounded.TagAll(texts, cancellation: TestContext.Current.CancellationToken);

            Assert.NotEmpty(expected[0].Entities);
            Assert.Equal(expected.Select(text => text.Sentence.Tags), actual.Select(text => text.Sentence.Tags));
            Assert.NotEqual(exact.Fingerprint, rounded.Fingerprint);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void An_evaluation_takes_it_as_its_precision()
    {
        using var model = New();
        EncodedSentence[] rows = [.. Sentences(model).Select(row => new EncodedSentence(row.InputIds, [.. row.InputIds.Select(id => id % 3)], []))];
        EvaluationResult Evaluate(TrainingPrecision precision, int batchSize) => TokenEvaluation.Run(model, null, rows, batchSize,
            precision: new PrecisionPolicy(precision, DeviceType.CPU), cancellation: TestContext.Current.CancellationToken);

        var (exact, rounded) = (Evaluate(TrainingPrecision.Float32, 6), Evaluate(TrainingPrecision.Int8, 6));

        Assert.NotEqual(exact.Loss, rounded.Loss);
        Assert.Equal(exact.Loss, rounded.Loss, 0.05 * exact.Loss);
        Assert.False(Int8Products.AreOn);
    }

    [Fact]
    public void There_is_no_training_through_it()
    {
        using var model = New();
        var (ids, mask) = (ones([1, 4], int64), ones([1, 4], int64));
        using var open = Int8Products.Enter();

        var error = Assert.Throws<InvalidOperationException>(() => model.call(ids, mask));

        Assert.Contains("no gradient", error.Message, StringComparison.Ordinal);
        var fault = Assert.Single(new TrainingSettings { Precision = TrainingPrecision.Int8 }.FindFaults());
        Assert.Contains("Precision is Int8; expected BFloat16 or Float32 to train in", fault, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "width", "a hidden size and an intermediate size that are multiples of 16; found gelu, convolution 0, 24 and 64" },
        { "activation", "found relu" },
        { "modules", "switched off (UsesKernels)" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_network_that_the_kernels_do_not_compute_is_refused_with_the_reason(string what, string reason)
    {
        using var model = New(config => what switch
        {
            "width" => config with { HiddenSize = 24, IntermediateSize = 64, NumAttentionHeads = 3 },
            "activation" => config with { HiddenAct = "relu" },
            _ => config,
        });
        model.Engine.UsesKernels = what != "modules";

        var error = Assert.Throws<NotSupportedException>(() => Score(model, isInt8: true));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains("Choose the precision bfloat16 or float32.", error.Message, StringComparison.Ordinal);
    }

    private static DebertaV2ForTokenClassification New(Func<DebertaConfig, DebertaConfig>? change = null)
    {
        var golden = DebertaConfig.Read(Repository.PathOf("tests", "goldens", "model", "v3-tiny", "config.json"));
        var config = change?.Invoke(golden) ?? golden;
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config));
        WeightInitializer.Initialize(model, config with { InitializerRange = 0.15 }, 5);
        model.eval();
        return model;
    }

    private static EncodedSentence[] Sentences(DebertaV2ForTokenClassification model) =>
        [.. s_lengths.Select((length, i) => new EncodedSentence(
            [.. Enumerable.Range(1, length).Select(piece => 1 + ((piece * (7 + i)) % (model.Config.VocabSize - 1)))], new int[length], []))];

    private static Tensor Score(DebertaV2ForTokenClassification model, bool isInt8, params EncodedSentence[] sentences)
    {
        using var quiet = no_grad();
        using var open = isInt8 ? Int8Products.Enter() : null;
        using var batch = Batch.OfGroups([sentences.Length == 0 ? Sentences(model) : sentences], CPU);
        return model.Score(batch);
    }
}
