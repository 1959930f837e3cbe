using NotebookLib.Data;
using NotebookLib.Experiments;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Tests.Training;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Lora;

/// <summary>Saved adapters as the start of another training: they go on from where they were, with their own looks and their own head.</summary>
[Collection(AutocastTestGroup.Name)]
public sealed class AdapterStartTests : IDisposable
{
    private static readonly LoraSettings AsSaved = new() { Rank = null, Alpha = null, Dropout = null, Targets = null };
    private static readonly LoraSettings Saved = new()
    {
        Rank = 3,
        Alpha = 6,
        Dropout = 0.2,
        Targets = ["query_proj", "attention.output.dense"],
        RankPattern = new Dictionary<string, int> { [@"layer\.0\..*query_proj"] = 2 },
        UsesRankStabilisation = true,
        UsesMagnitudes = true,
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("adapter-start-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void They_begin_as_they_were_saved_and_what_is_trained_is_an_adapter_again()
    {
        using var first = new LoraRun(Saved);
        var (trained, weights) = first.Train();
        using var second = new LoraRun(AsSaved, start: trained.LastCheckpoint);
        using var model = second.LoadBase();
        using (var adapters = LoraAdapters.Attach(model, AsSaved, 7, trained.LastCheckpoint))
        {
            TinyRun.AssertEqualBits(weights, TinyRun.WeightsOf(model));
            Assert.Equal((3, 6.0, 0.2, true, true),
                (adapters.Settings.Rank, adapters.Settings.Alpha, adapters.Settings.Dropout, adapters.Settings.UsesRankStabilisation,
                adapters.Settings.UsesMagnitudes));
            Assert.Equal([2, 3, 3, 3], adapters.Modules.Select(module => module.Rank).Order());
            Assert.Equal(trained.LastCheckpoint, adapters.Folder);
        }

        var (result, further) = second.Train();

        Assert.All(weights.Where(pair => pair.Key.Contains("lora_", StringComparison.Ordinal)), pair => Assert.NotEqual(pair.Value, further[pair.Key]));
        using var again = second.LoadBase();
        using var loaded = LoraAdapters.Load(result.LastCheckpoint, again);
        TinyRun.AssertEqualBits(further, TinyRun.WeightsOf(again));
        Assert.Equal([2, 3, 3, 3], loaded.Modules.Select(module => module.Rank).Order());
    }

    [Fact]
    public void A_stop_and_a_resume_equal_an_unbroken_run_bit_for_bit()
    {
        using var first = new LoraRun(Saved);
        var start = first.Train().Result.LastCheckpoint;
        using var unbroken = new LoraRun(AsSaved, start: start);
        using var broken = new LoraRun(AsSaved, start: start);
        var (_, expected) = unbroken.Train();

        broken.StopAfter(broken.Settings, 18);
        var (_, actual) = broken.Train(broken.Settings with { ExistingRun = ExistingRun.Resume });

        TinyRun.AssertEqualBits(expected, actual);
    }

    [Fact]
    public void The_head_alone_is_trained_where_that_is_asked()
    {
        using var first = new LoraRun(Saved);
        var (trained, weights) = first.Train();
        using var second = new LoraRun(AsSaved with { TrainsHeadOnly = true }, start: trained.LastCheckpoint);

        var (_, further) = second.Train();

        Assert.Equal(["classifier.bias", "classifier.weight"],
            further.Where(pair => !pair.Value.AsSpan().SequenceEqual(weights[pair.Key])).Select(pair => pair.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void What_they_look_like_cannot_be_changed_and_all_of_it_is_named()
    {
        var start = Save(LabelSet.SystemA, Saved);
        using var model = Base(LabelSet.SystemA);
        var asked = AsSaved with { Rank = 8, Alpha = 16, Targets = ["query_proj"], HasBias = true, SavedModules = ["LayerNorm"], Dropout = 0.5 };

        var message = Assert.Throws<ArgumentException>(() => LoraAdapters.Attach(model, asked, 42, start)).Message;

        Assert.StartsWith("The LoRA settings have 5 faults:", message, StringComparison.Ordinal);
        Assert.Contains($"Rank is 8, but the adapters to start from ({start}) have 3: what they look like cannot be changed. Leave Rank unset.", message,
            StringComparison.Ordinal);
        Assert.Contains("Alpha is 16, but", message, StringComparison.Ordinal);
        Assert.Contains("Targets is query_proj, but the adapters", message, StringComparison.Ordinal);
        Assert.Contains("have attention.output.dense, query_proj:", message, StringComparison.Ordinal);
        Assert.Contains("HasBias is True, but", message, StringComparison.Ordinal);
        Assert.Contains("SavedModules is LayerNorm, but the adapters to start from", message, StringComparison.Ordinal);
        Assert.Null(LoraAdapters.Of(model));
        using var same = LoraAdapters.Attach(model, Saved with { Targets = ["attention.output.dense", "query_proj"], Dropout = 0.5 }, 42, start);
        Assert.Equal(0.5, same.Settings.Dropout);
    }

    [Fact]
    public void Rows_of_the_head_go_where_their_labels_names_are()
    {
        var start = Save(new(["PER", "ORG", "LOC"]), Saved);
        using Tensor original = HeadOf(start);
        foreach (var isTested in (bool[])[true, false])
        {
            using var model = Base(new(["LOC", "PER", "ORG"]));
            using var adapters = isTested ? LoraAdapters.Load(start, model) : LoraAdapters.Attach(model, AsSaved, 42, start);

            using var moved = original.index_select(0, tensor(new long[] { 0, 5, 6, 1, 2, 3, 4 }));
            Assert.Equal(moved.data<float>().ToArray(), model.Classifier.Weight.detach().data<float>().ToArray());
            Assert.Contains("another order", Assert.Single(adapters.Remarks), StringComparison.Ordinal);
            Assert.False(model.HasNewHead);
        }
    }

    [Fact]
    public void Other_labels_get_a_head_of_their_own_and_cannot_be_tested()
    {
        var start = Save(new(["PER", "ORG", "LOC"]), Saved);
        using var model = Base(new(["DRUG"]));

        Assert.Contains("its head has 7 labels (O, B-PER, I-PER, B-ORG, …), the model has 3 (O, B-DRUG, I-DRUG). Load the model with the adapters' labels.",
            Assert.Throws<InvalidDataException>(() => LoraAdapters.Load(start, model)).Message, StringComparison.Ordinal);
        using var adapters = LoraAdapters.Attach(model, AsSaved, 42, start);

        Assert.EndsWith("a new head is trained.", Assert.Single(adapters.Remarks), StringComparison.Ordinal);
        Assert.True(model.HasNewHead && model.Classifier.Weight.requires_grad);
        var saved = _folder.CreateSubdirectory("further").FullName;
        adapters.Save(saved);
        using var again = Base(new(["DRUG"]));
        using var loaded = LoraAdapters.Load(saved, again);
        TinyRun.AssertEqualBits(TinyRun.WeightsOf(model), TinyRun.WeightsOf(again));
    }

    [Fact]
    public void Adapters_without_a_head_get_one_where_the_model_has_none()
    {
        var start = Save(LabelSet.SystemA, Saved with { TrainsHead = false });
        using var unlike = Base(new(["DRUG"]));
        using var like = Base(LabelSet.SystemA);

        Assert.Contains("nothing here was trained to tag", Assert.Throws<InvalidDataException>(() => LoraAdapters.Load(start, unlike)).Message,
            StringComparison.Ordinal);
        using var trained = LoraAdapters.Attach(unlike, AsSaved, 42, start);
        using var kept = LoraAdapters.Attach(like, AsSaved, 42, start);

        Assert.True(trained.Settings.TrainsHead);
        Assert.EndsWith("a new one is trained.", Assert.Single(trained.Remarks), StringComparison.Ordinal);
        Assert.False(kept.Settings.TrainsHead || like.Classifier.Weight.requires_grad);
    }

    [Theory]
    [InlineData("bias-all")]
    [InlineData("embedding")]
    [InlineData("rank-pattern-dora")]
    [InlineData("save-layernorm")]
    [InlineData("lora-bias")]
    public async Task Merged_for_good_they_are_part_of_a_plain_model_that_trains_whole(string kind)
    {
        var golden = Repository.PathOf("tests", "goldens", "peft");
        using var beside = ModelFolder.Load(Path.Combine(golden, "base")).Model;
        using var adapters = LoraAdapters.Load(Path.Combine(golden, kind), beside);
        var loaded = ModelFolder.Load(Path.Combine(golden, "base"));
        using var model = loaded.Model;

        var merged = await new InputSettings { Model = "x", Adapter = Path.Combine(golden, kind) }.MergeAdapterAsync(loaded, trains: true);

        Assert.Same(model, merged.Model);
        Assert.Null(LoraAdapters.Of(model));
        Assert.Contains("are part of the weights now", string.Join(' ', merged.Report.Remarks), StringComparison.Ordinal);
        Assert.All(model.named_parameters(),
            pair => Assert.True(pair.parameter.requires_grad && !pair.name.Contains("lora", StringComparison.Ordinal), pair.name));
        Assert.All(LoraNetwork.Logits(beside).Zip(LoraNetwork.Logits(model)), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        ModelFolder.Save(model, _folder.FullName);
        using var again = ModelFolder.Load(_folder.FullName, new() { IsStrict = true }).Model;
        Assert.Equal(LoraNetwork.Logits(model), LoraNetwork.Logits(again));
    }

    private static DebertaV2ForTokenClassification Base(LabelSet labels) =>
        ModelFolder.Load(Path.Combine(LoraNetwork.Folder, "base"), new LoadOptions { Labels = labels }).Model;

    private static Tensor HeadOf(string folder)
    {
        using var scope = NewDisposeScope();
        return SafetensorsFile.ReadAll(Path.Combine(folder, "adapter_model.safetensors"))["base_model.model.classifier.weight"].MoveToOuterDisposeScope();
    }

    private string Save(LabelSet labels, LoraSettings settings)
    {
        using var model = Base(labels);
        using var adapters = LoraAdapters.Attach(model, settings, 42);
        var folder = _folder.CreateSubdirectory("start").FullName;
        adapters.Save(folder);
        return folder;
    }
}
