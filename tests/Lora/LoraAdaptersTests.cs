using NotebookLib.Display;
using NotebookLib.Lora;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Lora;

public sealed class LoraAdaptersTests : IDisposable
{
    private readonly DebertaV2ForTokenClassification _model = LoraNetwork.Load();

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData("base", 171_295, 184_026_686)]
    [InlineData("large", 424_991, 434_468_926)]
    public void Counts_are_those_that_PEFT_prints(string size, long trainable, long total)
    {
        // Shapes alone, without memory. The published large notebook prints the base model's counts.
        var (width, layers, heads) = size == "base" ? (768, 12, 12) : (1024, 24, 16);
        var config = DebertaConfig.Read(Repository.PathOf("tests", "goldens", "lora", "base", "config.json")) with
        {
            VocabSize = 128_100,
            HiddenSize = width,
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            IntermediateSize = 4 * width,
            MaxPositionEmbeddings = 512,
            MaxRelativePositions = -1,
            PositionBuckets = 256,
        };
        using var model = new DebertaV2ForTokenClassification(new ModelBuild(config, ScalarType.Float32, device("meta"), new DropoutRandom(0)));

        using var adapters = LoraAdapters.Attach(model, new LoraSettings(), 42);

        Assert.Equal((trainable, total), (adapters.TrainableParameters, adapters.TotalParameters));
        Assert.Contains(Invariant($"{total:N0}"), ModelCard.Adapters(model, adapters.Settings).ToText(), StringComparison.Ordinal);
        Assert.Equal(2 * layers, adapters.Modules.Count);
        Assert.Equal(trainable, adapters.Modules.Sum(module => module.Parameters) + (31 * width) + 31);
    }

    [Fact]
    public void New_adapters_change_nothing_and_are_seeded()
    {
        var before = LoraNetwork.Logits(_model);
        using var other = LoraNetwork.Load();
        using var again = LoraNetwork.Load();

        using var adapters = LoraAdapters.Attach(_model, new LoraSettings(), 42);
        using var same = LoraAdapters.Attach(again, new LoraSettings(), 42);
        using var different = LoraAdapters.Attach(other, new LoraSettings(), 43);

        Assert.Equal(before, LoraNetwork.Logits(_model));
        Assert.Equal(FirstA(_model), FirstA(again));
        Assert.NotEqual(FirstA(_model), FirstA(other));
        // kaiming_uniform, a = √5: within ±1/√in, and near it.
        Assert.InRange(FirstA(_model).Max(Math.Abs), 0.9 / Math.Sqrt(32), 1 / Math.Sqrt(32));
    }

    [Fact]
    public void Adapters_and_head_are_trained_and_nothing_else()
    {
        using var adapters = LoraAdapters.Attach(_model, new LoraSettings { Targets = ["value_proj"] }, 42);

        var trained = _model.named_parameters().Where(pair => pair.parameter.requires_grad).Select(pair => pair.name);

        Assert.Equal(
            [
                "classifier.bias", "classifier.weight",
                .. Enumerable.Range(0, 3).SelectMany(layer =>
                    (string[])[$"deberta.encoder.layer.{layer}.attention.self.value_proj.lora.lora_A",
                        $"deberta.encoder.layer.{layer}.attention.self.value_proj.lora.lora_B"]),
            ],
            trained.Order(StringComparer.Ordinal));
        Assert.Equal(adapters.TrainableParameters, adapters.Modules.Sum(module => module.Parameters) + (31 * 32) + 31);
    }

    [Theory]
    [InlineData("self.query_proj", 3)]
    [InlineData("dense", 9)] // attention.output, intermediate and output of three layers
    [InlineData("output.dense", 6)]
    [InlineData(@".*layer\.[12]\..*(key|value)_proj", 4)]
    [InlineData(@".*\.(?P<part>self)\.(?!key)\w+_proj\Z", 6)] // Python's spelling
    [InlineData("all-linear", 18)]
    [InlineData("word_embeddings", 1)]
    public void Targets_are_ends_of_names_or_patterns(string target, int matches)
    {
        using var adapters = LoraAdapters.Attach(_model, new LoraSettings { Targets = [target] }, 42);

        Assert.Equal(matches, adapters.Modules.Count);
    }

    [Fact]
    public void All_faults_are_reported_together_and_an_unknown_target_names_its_neighbours()
    {
        var settings = new LoraSettings { Rank = 0, Alpha = double.NaN, Dropout = 1, Targets = ["query_proj", "quary_proj", "(", "classifier"] };

        var message = Assert.Throws<ArgumentException>(() => LoraAdapters.Attach(_model, settings, 42)).Message;

        Assert.StartsWith("The LoRA settings have 6 faults:", message, StringComparison.Ordinal);
        Assert.Contains("Rank is 0; expected a width from 1 to 4096, for instance 4.", message, StringComparison.Ordinal);
        Assert.Contains("Alpha is NaN; expected above 0", message, StringComparison.Ordinal);
        Assert.Contains("Dropout is 1; expected a probability from 0 to below 1", message, StringComparison.Ordinal);
        Assert.Contains("Targets has \"(\", which is no regular expression", message, StringComparison.Ordinal);
        Assert.Contains("Targets has \"quary_proj\", which matches none of the model's 18 linear layers; expected for instance attention.self.query_proj",
            message, StringComparison.Ordinal);
        Assert.Contains("Targets has \"classifier\", which matches none", message, StringComparison.Ordinal);
        Assert.DoesNotContain(_model.named_parameters(), pair => pair.name.Contains("lora", StringComparison.Ordinal));
        Assert.All(_model.parameters(), parameter => Assert.True(parameter.requires_grad));
    }

    [Fact]
    public void A_second_set_of_adapters_is_refused()
    {
        using var adapters = LoraAdapters.Attach(_model, new LoraSettings(), 42);

        Assert.Contains("carries an adapter already",
            Assert.Throws<InvalidOperationException>(() => LoraAdapters.Load(LoraNetwork.AdapterFolder, _model)).Message, StringComparison.Ordinal);
        Assert.Same(adapters, LoraAdapters.Of(_model));
    }

    [Fact]
    public void Merging_twice_changes_nothing_more_and_unmerging_restores_every_bit()
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);
        var (before, logits) = (LoraNetwork.BaseBytes(_model), LoraNetwork.Logits(_model));

        adapters.Merge();
        var merged = LoraNetwork.BaseBytes(_model);
        adapters.Merge();

        Assert.True(adapters.IsMerged);
        Assert.Equal(merged, LoraNetwork.BaseBytes(_model));
        Assert.Equal(6, before.Count(pair => !pair.Value.SequenceEqual(merged[pair.Key])));
        Assert.All(LoraNetwork.Logits(_model).Zip(logits), pair => Assert.Equal(pair.Second, pair.First, 1e-5f));
        adapters.Unmerge();
        Assert.Equal(before, LoraNetwork.BaseBytes(_model));
        Assert.Equal(logits, LoraNetwork.Logits(_model));
    }

    [Fact]
    public void A_merged_model_is_a_plain_one_for_saving()
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);
        var folder = Directory.CreateTempSubdirectory("lora-merged-");
        try
        {
            adapters.Merge();
            ModelFolder.Save(_model, folder.FullName);
            using var loaded = ModelFolder.Load(folder.FullName, new LoadOptions { IsStrict = true }).Model;

            Assert.Null(LoraAdapters.Of(_model));
            Assert.Equal(LoraNetwork.Logits(_model), LoraNetwork.Logits(loaded));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Detaching_gives_the_model_back_as_it_was()
    {
        var (before, logits) = (LoraNetwork.BaseBytes(_model), LoraNetwork.Logits(_model));
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);
        adapters.Merge();

        adapters.Detach();

        Assert.Equal(before, LoraNetwork.BaseBytes(_model));
        Assert.Equal(logits, LoraNetwork.Logits(_model));
        Assert.All(_model.parameters(), parameter => Assert.True(parameter.requires_grad));
        Assert.Throws<InvalidOperationException>(adapters.Merge);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Gradients_reach_adapters_and_head_only_and_are_the_same_with_recomputed_activations(bool usesKernels)
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);
        _model.Engine.UsesKernels = usesKernels;

        var kept = Gradients(recomputes: false);
        var recomputed = Gradients(recomputes: true);

        // The published run: checkpointing cut the graph before the adapters, whose gradient stayed away.
        Assert.Equal(14, kept.Count);
        Assert.All(kept, pair => Assert.Contains(pair.Value, value => value != 0));
        Assert.Equal(kept, recomputed);
        Assert.All(_model.named_parameters().Where(pair => !kept.ContainsKey(pair.name)), pair => Assert.Null(pair.parameter.grad));
    }

    [Fact]
    public void Kernels_and_modules_agree_on_the_gradients()
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);

        var kernels = Gradients(recomputes: false);
        _model.Engine.UsesKernels = false;
        var modules = Gradients(recomputes: false);

        Assert.Equal(kernels.Keys, modules.Keys);
        Assert.All(kernels, pair => Assert.All(pair.Value.Zip(modules[pair.Key]), values => Assert.Equal(values.First, values.Second, 1e-6f)));
    }

    private Dictionary<string, float[]> Gradients(bool recomputes)
    {
        using var scope = NewDisposeScope();
        _model.Engine.RecomputesActivations = recomputes;
        _model.eval();
        foreach (var parameter in _model.parameters())
        {
            parameter.grad = null;
        }

        var logits = _model.call(tensor(new long[,] { { 1, 5, 9, 44, 2, 0 }, { 1, 7, 8, 9, 10, 2 } }),
            tensor(new long[,] { { 1, 1, 1, 1, 1, 0 }, { 1, 1, 1, 1, 1, 1 } }));
        DebertaV2ForTokenClassification.Loss(logits, tensor(new long[,] { { -100, 3, 4, 0, -100, -100 }, { -100, 1, 2, 2, 0, -100 } })).backward();
        return _model.named_parameters().Where(pair => pair.parameter.grad is not null)
            .ToDictionary(pair => pair.name, pair => pair.parameter.grad!.data<float>().ToArray(), StringComparer.Ordinal);
    }

    private static float[] FirstA(nn.Module model) =>
        model.named_parameters().First(pair => pair.name.EndsWith("lora_A", StringComparison.Ordinal)).parameter.detach().data<float>().ToArray();
}
