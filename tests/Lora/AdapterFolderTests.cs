extern alias runner;

using System.Text.Json.Nodes;
using NotebookLib.Lora;
using NotebookLib.Model;
using runner::NotebookRunner.Verification;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Lora;

public sealed class AdapterFolderTests : IDisposable
{
    private readonly DebertaV2ForTokenClassification _model = LoraNetwork.Load();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("adapter-");

    public void Dispose()
    {
        _model.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void PEFTs_adapters_give_its_logits_and_are_saved_as_it_saves_them()
    {
        var rows = LoraChecks.Golden.Run(LoraNetwork.Folder, new()).ToList();

        Assert.Equal(2 * 10, rows.Count);
        Assert.All(rows, row => Assert.True(row.IsOk, $"{row}"));
    }

    [Fact]
    public void The_reference_folder_passes_too() =>
        Assert.All(LoraChecks.Golden.Run(Repository.Shared("reference", "lora"), new()), row => Assert.True(row.IsOk, $"{row}"));

    [Fact]
    public void A_saved_file_has_sorted_keys_and_equals_PEFTs_byte_for_byte()
    {
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, _model);

        adapters.Save(_folder.FullName);

        Assert.Equal(File.ReadAllBytes(Path.Combine(LoraNetwork.AdapterFolder, "adapter_model.safetensors")),
            File.ReadAllBytes(Path.Combine(_folder.FullName, "adapter_model.safetensors")));
        var keys = Config(_folder.FullName).Select(pair => pair.Key).ToList();
        Assert.Equal(keys.Order(StringComparer.Ordinal), keys);
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors", "config.json"],
            _folder.EnumerateFiles().Select(file => file.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("query_proj")]
    [InlineData(@".*layer\.[01]\..*key_proj")]
    [InlineData("query_proj", "output.dense")]
    [InlineData("value_proj", @".*layer\.0\..*_proj")]
    public void What_is_saved_is_loaded_again(params string[] targets)
    {
        var settings = new LoraSettings { Rank = 3, Alpha = 1.5, Dropout = 0.25, Targets = targets, BaseModel = "microsoft/deberta-v3-base" };
        using var adapters = LoraAdapters.Attach(_model, settings, 42);
        Randomise(_model);
        adapters.Save(_folder.FullName);
        using var other = LoraNetwork.Load();

        using var loaded = LoraAdapters.Load(_folder.FullName, other);

        Assert.Equal(adapters.Modules, loaded.Modules);
        Assert.Equal((3, 1.5, 0.25, "microsoft/deberta-v3-base"),
            (loaded.Settings.Rank, loaded.Settings.Alpha, loaded.Settings.Dropout, loaded.Settings.BaseModel));
        Assert.Equal(LoraNetwork.Logits(_model), LoraNetwork.Logits(other));
    }

    [Fact]
    public void Keys_of_later_versions_are_ignored_unless_they_change_the_numbers()
    {
        CopyAdapter();
        Change(config => (config["runtime_config"], config["use_dora"], config["eva_config"], config["modules_to_save"]) =
            (new JsonObject { ["x"] = 1 }, false, null, new JsonArray("classifier", "score")));
        using (LoraAdapters.Load(_folder.FullName, _model))
        {
        }

        using var other = LoraNetwork.Load();
        Change(config =>
            (config["init_lora_weights"], config["alora_invocation_tokens"], config["of_tomorrow"]) = ("pissa_niter_4", new JsonArray(5, 6), new JsonObject()));
        var message = Assert.Throws<NotSupportedException>(() => LoraAdapters.Load(_folder.FullName, other)).Message;

        Assert.Contains("init_lora_weights is \"pissa_niter_4\": a beginning that changes the base's weights", message, StringComparison.Ordinal);
        Assert.Contains("alora_invocation_tokens is [5,6]: aLoRA", message, StringComparison.Ordinal);
        Assert.Contains("of_tomorrow is {}: a key that is not known", message, StringComparison.Ordinal);
        Assert.Null(LoraAdapters.Of(other));
    }

    [Theory]
    [InlineData("alpha doubled, B halved")]
    [InlineData("rank padded by zeros")]
    [InlineData("scaled by the root of the rank")]
    [InlineData("another rank by pattern")]
    [InlineData("another alpha by pattern")]
    [InlineData("targets as an expression")]
    [InlineData("targets by longer ends")]
    [InlineData("layers, all of them")]
    [InlineData("excluded, what is not there")]
    [InlineData("head named, no task")]
    [InlineData("keys that are switched off")]
    [InlineData("names as in memory")]
    public void The_same_adapters_said_otherwise_give_the_same_logits(string way)
    {
        CopyAdapter();
        using (var expected = LoraAdapters.Load(_folder.FullName, _model))
        {
            Assert.Equal((4, 8.0), (expected.Settings.Rank, expected.Settings.Alpha));
        }

        Change(config => SayOtherwise(config, way));
        ChangeTensors((name, tensor) => (way, name.Contains(".lora_A.", StringComparison.Ordinal), name.Contains(".lora_B.", StringComparison.Ordinal)) switch
        {
            ("alpha doubled, B halved", _, true) => (name, tensor / 2),
            ("rank padded by zeros", true, _) => (name, cat([tensor, zeros(2, tensor.shape[1])], 0)),
            ("rank padded by zeros", _, true) => (name, cat([tensor, zeros(tensor.shape[0], 2)], 1)),
            ("names as in memory", true, _) or ("names as in memory", _, true) =>
                ("_orig_mod." + name.Replace(".weight", ".other.weight", StringComparison.Ordinal), tensor),
            _ => (name, tensor),
        });
        using var other = LoraNetwork.Load();

        using var adapters = LoraAdapters.Load(_folder.FullName, other);

        Assert.All(LoraNetwork.Logits(_model).Zip(LoraNetwork.Logits(other)), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
    }

    [Theory]
    [InlineData("fan_in_fan_out", "true")]
    [InlineData("loftq_config", "{\"loftq_bits\": 4}")]
    [InlineData("layer_replication", "[[0, 2], [1, 3]]")]
    [InlineData("target_parameters", "[\"x\"]")]
    [InlineData("use_qalora", "true")]
    [InlineData("init_lora_weights", "\"olora\"")]
    [InlineData("init_lora_weights", "\"corda\"")]
    [InlineData("init_lora_weights", "\"of_tomorrow\"")]
    [InlineData("trainable_token_indices", "[1]")]
    [InlineData("trainable_token_indices", "{\"word_embeddings\": [1]}")]
    [InlineData("peft_type", "\"IA3\"")]
    [InlineData("peft_type", "\"ADALORA\"")]
    [InlineData("of_tomorrow", "0")]
    [InlineData("of_tomorrow", "[]")]
    public void What_is_not_computed_is_refused_by_its_name(string key, string value)
    {
        CopyAdapter();
        Change(config => config[key] = JsonNode.Parse(value));

        Assert.Contains($"{key} is ", Assert.Throws<NotSupportedException>(() => LoraAdapters.Load(_folder.FullName, _model)).Message,
            StringComparison.Ordinal);
        Assert.Null(LoraAdapters.Of(_model));
    }

    [Theory]
    [InlineData("{", "not a JSON object")]
    [InlineData("[]", "it is no object. Expected an adapter's configuration")]
    [InlineData("{\"peft_type\": \"LORA\", \"r\": \"4\"}", "r is \"4\"; expected a number")]
    [InlineData("{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": -1, \"target_modules\": [\"\"]}", "Rank is 0")]
    [InlineData("{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"target_modules\": [1]}", "target_modules is [1]")]
    public void A_damaged_configuration_says_what_is_wrong(string json, string expected)
    {
        CopyAdapter();
        File.WriteAllText(Path.Combine(_folder.FullName, "adapter_config.json"), json);

        Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => LoraAdapters.Load(_folder.FullName, _model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_that_do_not_fit_are_listed_and_leave_the_model_as_it_was()
    {
        CopyAdapter();
        var file = Path.Combine(_folder.FullName, "adapter_model.safetensors");
        using (NewDisposeScope())
        {
            var tensors = SafetensorsFile.ReadAll(file);
            const string query = "base_model.model.deberta.encoder.layer.0.attention.self.query_proj";
            tensors.Remove($"{query}.lora_B.weight");
            tensors[$"{query}.lora_magnitude_vector"] = ones(32);
            tensors["base_model.model.classifier.weight"] = ones(11, 32);
            SafetensorsFile.Write(file, tensors);
        }

        var message = Assert.Throws<InvalidDataException>(() => LoraAdapters.Load(_folder.FullName, _model)).Message;

        Assert.Contains("query_proj.lora_B.weight: missing", message, StringComparison.Ordinal);
        Assert.Contains("query_proj.lora_magnitude_vector: the model has no place for it", message, StringComparison.Ordinal);
        Assert.Contains("classifier.weight: expected [31, 32], file has [11, 32]", message, StringComparison.Ordinal);
        Assert.Null(LoraAdapters.Of(_model));
        Assert.All(_model.parameters(), parameter => Assert.True(parameter.requires_grad));
    }

    [Fact]
    public void An_empty_folder_is_told()
    {
        Assert.Contains("adapter_config.json", Assert.Throws<FileNotFoundException>(() => LoraAdapters.Load(_folder.FullName, _model)).Message,
            StringComparison.Ordinal);
        File.Copy(Path.Combine(LoraNetwork.AdapterFolder, "adapter_config.json"), Path.Combine(_folder.FullName, "adapter_config.json"));
        Assert.Contains("no adapter weights", Assert.Throws<FileNotFoundException>(() => LoraAdapters.Load(_folder.FullName, _model)).Message,
            StringComparison.Ordinal);
    }

    private void CopyAdapter()
    {
        foreach (var file in Directory.EnumerateFiles(LoraNetwork.AdapterFolder))
        {
            File.Copy(file, Path.Combine(_folder.FullName, Path.GetFileName(file)));
        }
    }

    private void Change(Action<JsonObject> change)
    {
        var config = Config(_folder.FullName);
        change(config);
        File.WriteAllText(Path.Combine(_folder.FullName, "adapter_config.json"), config.ToJsonString());
    }

    private static void SayOtherwise(JsonObject config, string way)
    {
        switch (way)
        {
            case "alpha doubled, B halved": config["lora_alpha"] = 16; break;
            case "rank padded by zeros": (config["r"], config["lora_alpha"]) = (6, 12); break;
            case "scaled by the root of the rank": (config["use_rslora"], config["lora_alpha"]) = (true, 4); break;
            case "another rank by pattern":
                (config["r"], config["lora_alpha"], config["rank_pattern"]) =
                (2, 8, new JsonObject { ["query_proj"] = 4, [@"layer\.\d+\.attention\.self\.key_proj"] = 4 }); break;
            case "another alpha by pattern":
                (config["lora_alpha"], config["alpha_pattern"]) =
                (1, new JsonObject { ["self.query_proj"] = 8, ["^.*key_proj"] = 8.0 }); break;
            case "targets as an expression": config["target_modules"] = @"deberta\.encoder\.layer\.\d\.attention\.self\.(?P<which>query|key)_proj"; break;
            case "targets by longer ends": config["target_modules"] = new JsonArray("attention.self.query_proj", "self.key_proj"); break;
            case "layers, all of them": (config["layers_to_transform"], config["layers_pattern"]) = (new JsonArray(0, 1, 2), "layer"); break;
            case "excluded, what is not there": config["exclude_modules"] = new JsonArray("value_proj", "layer.7.attention.self.query_proj"); break;
            case "head named, no task": (config["task_type"], config["modules_to_save"]) = (null, new JsonArray("classifier")); break;
            case "keys that are switched off":
                (config["use_dora"], config["lora_bias"], config["megatron_config"], config["of_tomorrow"],
                config["layer_replication"], config["corda_config"]) = (false, false, null, null, null, null); break;
            default: break;
        }
    }

    private void ChangeTensors(Func<string, Tensor, (string Name, Tensor Tensor)> change)
    {
        var file = Path.Combine(_folder.FullName, "adapter_model.safetensors");
        using var scope = NewDisposeScope();
        var changed = SafetensorsFile.ReadAll(file).Select(pair => change(pair.Key, pair.Value))
            .ToDictionary(pair => pair.Name, pair => pair.Tensor, StringComparer.Ordinal);
        SafetensorsFile.Write(file, changed);
    }

    private static JsonObject Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!.AsObject();

    private static void Randomise(DebertaV2ForTokenClassification model)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var parameter in model.parameters().Where(parameter => parameter.requires_grad))
        {
            parameter.normal_(0, 0.3);
        }
    }
}
