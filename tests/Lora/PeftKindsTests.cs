extern alias runner;

using System.Text.Json.Nodes;
using NotebookLib.Lora;
using NotebookLib.Model;
using runner::NotebookRunner.Verification;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Lora;

/// <summary>Adapters of the kinds that PEFT knows: computed as it does, or refused by name.</summary>
public sealed class PeftKindsTests : IDisposable
{
    private static readonly string Golden = Repository.PathOf("tests", "goldens", "peft");
    private readonly DebertaV2ForTokenClassification _model = ModelFolder.Load(Path.Combine(Golden, "base")).Model;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("peft-");

    public void Dispose()
    {
        _model.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void Each_kind_gives_PEFTs_logits_loss_and_gradients_or_is_refused()
    {
        var rows = PeftChecks.Golden.Run(Golden, new()).ToList();

        Assert.Equal((12 * 9) + 4, rows.Count);
        Assert.All(rows, row => Assert.True(row.IsOk, $"{row}"));
    }

    [Fact]
    public void The_reference_folder_passes_too() =>
        Assert.All(PeftChecks.Golden.Run(Repository.Shared("reference", "peft"), new()), row => Assert.True(row.IsOk, $"{row}"));

    [Fact]
    public void Both_lists_of_cases_are_refused_by_the_keys_name()
    {
        foreach (var (file, expected)
            in ((string, string)[])[("pissa-adapter_config.json", "init_lora_weights is \"pissa\""),
            ("alora-adapter_config.json", "alora_invocation_tokens is [5,6]")])
        {
            File.Copy(Repository.Shared("cases", "adapters", file), Path.Combine(_folder.FullName, "adapter_config.json"), overwrite: true);
            Assert.Contains(expected, Assert.Throws<NotSupportedException>(() => LoraAdapters.Load(_folder.FullName, _model)).Message,
                StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("magnitudes")]
    [InlineData("rank stabilisation and patterns")]
    [InlineData("bias, biases, layers, saved modules")]
    [InlineData("head adapted, everything linear, without two")]
    [InlineData("word embeddings")]
    public void New_adapters_of_a_kind_change_nothing_learn_and_come_back_from_their_folder(string kind)
    {
        var settings = new LoraSettings { Rank = 3, Alpha = 6, Dropout = 0.1 };
        settings = kind switch
        {
            "magnitudes" => settings with { UsesMagnitudes = true },
            "rank stabilisation and patterns" => settings with
            {
                UsesRankStabilisation = true,
                RankPattern = new Dictionary<string, int> { [@"layer\.[01]\..*key_proj"] = 2, ["query_proj"] = 5 },
                AlphaPattern = new Dictionary<string, double> { ["layer.2.attention.self.query_proj"] = 1.5 },
            },
            "bias, biases, layers, saved modules" =>
                settings with { HasBias = true, Biases = TrainedBiases.Adapted, Layers = [0, 2], LayersPattern = ["layer"], SavedModules = ["LayerNorm"] },
            "head adapted, everything linear, without two" =>
                settings with { Targets = ["all-linear"], Excluded = ["layer.0.output.dense", "layer.1.output.dense"], TrainsHead = false },
            _ => settings with { Targets = ["word_embeddings", "value_proj"] },
        };
        using var before = Logits(_model);
        using var adapters = LoraAdapters.Attach(_model, settings, 42);
        using (var fresh = Logits(_model))
        {
            Assert.True((fresh - before).abs().max().item<float>() <= 1e-6f, "new adapters change nothing");
        }

        var first = Step();
        for (var step = 0; step < 20; step++)
        {
            Step();
        }

        Assert.True(Step() < first, "the loss falls");
        _model.eval();
        adapters.Save(_folder.FullName);
        using var trained = Logits(_model);
        using var other = ModelFolder.Load(Path.Combine(Golden, "base")).Model;
        using var loaded = LoraAdapters.Load(_folder.FullName, other);
        using var again = Logits(other);
        Assert.Equal(adapters.Modules, loaded.Modules);
        Assert.Equal(adapters.TrainableParameters, loaded.TrainableParameters);
        Assert.Equal(0, (again - trained).abs().max().item<float>());
        loaded.Merge();
        using var merged = Logits(other);
        Assert.True((merged - trained).abs().max().item<float>() <= 2e-5f, "merged equals unmerged");
    }

    [Fact]
    public void What_a_loaded_configuration_says_is_saved_again()
    {
        using var adapters = LoraAdapters.Load(Path.Combine(Golden, "patterns-rslora"), _model);

        adapters.Save(_folder.FullName);

        var (saved, golden) = (Config(_folder.FullName), Config(Path.Combine(Golden, "patterns-rslora")));
        var differing = golden.Where(pair => pair.Key != "modules_to_save" && !(saved.ContainsKey(pair.Key) && JsonNode.DeepEquals(saved[pair.Key], pair.Value))
            && pair.Value is not null && pair.Value.ToJsonString() != "false").Select(pair => pair.Key);
        Assert.Empty(differing);
    }

    [Fact]
    public void A_head_that_only_its_name_saves_is_named_again()
    {
        using var adapters = LoraAdapters.Load(Path.Combine(Golden, "head-named"), _model);

        adapters.Save(_folder.FullName);

        var saved = Config(_folder.FullName);
        Assert.Null(saved["task_type"]);
        Assert.Equal(["classifier"], saved["modules_to_save"]!.AsArray().Select(name => name!.GetValue<string>()));
    }

    [Fact]
    public void Names_as_they_are_in_memory_are_recognised_and_said()
    {
        using var adapters = LoraAdapters.Load(Path.Combine(Golden, "default-in-names"), _model);

        Assert.Contains("14 names are spelled as in memory", Assert.Single(adapters.Remarks), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Layers", "leave none of the layers that Targets names")]
    [InlineData("Excluded", "leave none of the layers that Targets names")]
    [InlineData("Pattern", "RankPattern has \"(\", which is no regular expression")]
    [InlineData("Both", "HasBias is True; expected false where UsesMagnitudes is true")]
    public void Settings_that_cannot_work_say_so(string which, string expected)
    {
        var settings = which switch
        {
            "Layers" => new LoraSettings { Layers = [99] },
            "Excluded" => new LoraSettings { Excluded = ["attention.self.query_proj", "key_proj"] },
            "Pattern" => new LoraSettings { RankPattern = new Dictionary<string, int> { ["("] = 2 } },
            _ => new LoraSettings { UsesMagnitudes = true, HasBias = true },
        };

        Assert.Contains(LoraAdapters.FindFaults(_model, settings), fault => fault.Contains(expected, StringComparison.Ordinal));
    }

    private double Step()
    {
        using var scope = NewDisposeScope();
        _model.train();
        var inputs = SafetensorsFile.ReadAll(Path.Combine(Golden, "inputs.safetensors"));
        var loss = DebertaV2ForTokenClassification.Loss(_model.call(inputs["input_ids"], inputs["attention_mask"]), inputs["labels"]);
        _model.zero_grad();
        BackwardPass.Run(loss);
        using var quiet = no_grad();
        foreach (var parameter in _model.parameters().Where(parameter => parameter.requires_grad && parameter.grad is not null))
        {
            parameter.sub_(parameter.grad! * 0.2);
        }

        return loss.item<float>();
    }

    private static Tensor Logits(DebertaV2ForTokenClassification model)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        model.eval();
        var inputs = SafetensorsFile.ReadAll(Path.Combine(Golden, "inputs.safetensors"));
        return model.call(inputs["input_ids"], inputs["attention_mask"]).DetachFromDisposeScope();
    }

    private static JsonObject Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!.AsObject();
}
