using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

public sealed class ModelFolderTests : IDisposable
{
    private static readonly string Golden = Repository.PathOf("tests", "goldens", "model", "v3-tiny");
    private readonly string _folder = Directory.CreateTempSubdirectory("model-").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Saving_and_loading_gives_the_same_file_and_the_same_logits()
    {
        using var first = ModelFolder.Load(Golden).Model;
        ModelFolder.Save(first, _folder);
        using var second = ModelFolder.Load(_folder, new LoadOptions { IsStrict = true }).Model;

        Assert.Equal(File.ReadAllBytes(Path.Combine(Golden, "model.safetensors")), File.ReadAllBytes(Path.Combine(_folder, "model.safetensors")));
        var (ids, mask) = (tensor(new long[,] { { 1, 5, 9, 2 } }), ones(1, 4, int64));
        Numbers.AssertClose(second.call(ids, mask), first.call(ids, mask), 0, "logits");
        Assert.Equal("DebertaV2ForTokenClassification", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "config.json")))!["architectures"]![0]);
    }

    [Fact]
    public void A_complete_checkpoint_matches_name_by_name()
    {
        var (model, report) = ModelFolder.Load(Golden);
        using (model)
        {
            Assert.True(report.IsComplete);
            Assert.Equal(model.named_parameters().Select(pair => pair.name).Order(), report.Matched.Order());
            Assert.Empty(report.Ignored);
        }
    }

    [Fact]
    public void An_encoder_without_prefix_and_with_other_heads_loads_with_a_new_head()
    {
        var tensors = SafetensorsFile.ReadAll(Path.Combine(Golden, "model.safetensors"));
        var foreign = tensors.Where(pair => !pair.Key.StartsWith("classifier", StringComparison.Ordinal))
            .ToDictionary(pair => pair.Key["deberta.".Length..].Replace("LayerNorm.weight", "LayerNorm.gamma").Replace("LayerNorm.bias", "LayerNorm.beta"),
                pair => pair.Value.to(float16));
        foreach (var name in (string[])["lm_predictions.lm_head.bias", "mask_predictions.dense.weight", "embeddings.position_ids", "something.new"])
        {
            foreign[name] = zeros(3);
        }

        Write(foreign);
        var (model, report) = ModelFolder.Load(_folder, new LoadOptions { Labels = LabelSet.SystemB });
        using (model)
        {
            Assert.Equal(["classifier.bias", "classifier.weight"], report.Missing);
            Assert.Equal(["something.new"], report.Unexpected);
            Assert.Equal(["embeddings.position_ids", "lm_predictions.lm_head.bias", "mask_predictions.dense.weight"], report.Ignored);
            Assert.Equal(tensors.Count - 2, report.Matched.Count);
            Assert.Equal((11, LabelSet.SystemB.Names), (model.Classifier.Weight.shape[0], model.Config.Labels));
            Assert.Equal(float32, model.Classifier.Weight.dtype);
            Numbers.AssertClose(model.Deberta.Embeddings.WordEmbeddings.Weight, tensors["deberta.embeddings.word_embeddings.weight"], 1e-3, "word embeddings");
        }
    }

    [Fact]
    public void A_new_head_is_the_one_that_a_seeded_libtorch_draws()
    {
        var report = ModelFolder.Load(Golden, new LoadOptions { Labels = LabelSet.SystemB, HeadSeed = 7 });
        using var model = report.Model;
        using var generator = new Generator(7);
        using var expected = empty(11, 32).normal_(0, 0.02, generator);

        Numbers.AssertClose(model.Classifier.Weight, expected, 0, "head");
        Assert.Equal(0, model.Classifier.Bias!.abs().max().item<float>());
        Assert.Equal(["classifier.bias", "classifier.weight"], report.Report.Ignored);
    }

    [Fact]
    public void The_same_labels_keep_the_head()
    {
        var (model, report) = ModelFolder.Load(Golden, new LoadOptions { Labels = LabelSet.SystemA });
        model.Dispose();

        Assert.Empty(report.Missing);
    }

    [Fact]
    public void The_same_labels_in_another_order_keep_the_head_by_name()
    {
        var plain = ModelFolder.Load(Golden);
        var labels = new LabelSet(LabelSet.SystemA.Types.Reverse());
        var moved = ModelFolder.Load(Golden, new LoadOptions { Labels = labels });
        using (plain.Model)
        using (moved.Model)
        {
            Assert.NotEqual(plain.Model.Config.Labels, moved.Model.Config.Labels);
            Assert.All(labels.Names, (label, row) =>
            {
                var stored = LabelSet.SystemA.FindId(label)!.Value;
                Assert.Equal(plain.Model.Classifier.Weight[stored].data<float>().ToArray(), moved.Model.Classifier.Weight[row].data<float>().ToArray());
                Assert.Equal(plain.Model.Classifier.Bias![stored].item<float>(), moved.Model.Classifier.Bias![row].item<float>());
            });
            Assert.Contains("labels stand in another order", Assert.Single(moved.Report.Remarks), StringComparison.Ordinal);
            Assert.Empty(moved.Report.Missing);
        }
    }

    [Theory]
    [InlineData("module.")]
    [InlineData("_orig_mod.")]
    [InlineData("model.")]
    [InlineData("module._orig_mod.")]
    public void Names_that_a_wrapper_changed_are_recognised_and_said_once(string prefix)
    {
        using var scope = NewDisposeScope();
        var tensors = SafetensorsFile.ReadAll(Path.Combine(Golden, "model.safetensors"));
        Write(tensors.ToDictionary(pair => prefix + pair.Key, pair => pair.Value));

        var (model, report) = ModelFolder.Load(_folder, new LoadOptions { IsStrict = true });
        model.Dispose();

        Assert.Contains($"{tensors.Count} names begin as a wrapper around the model calls them ({prefix}", Assert.Single(report.Remarks),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Adapters_among_the_weights_and_quantised_weights_are_refused()
    {
        using var scope = NewDisposeScope();
        var tensors = SafetensorsFile.ReadAll(Path.Combine(Golden, "model.safetensors"));
        Write(tensors.Append(new("deberta.encoder.layer.0.attention.self.query_proj.lora_A.default.weight", zeros(4, 32))).ToDictionary());
        Assert.Contains("weights of an adapter among the model's", Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder)).Message,
            StringComparison.Ordinal);

        const string Query = "deberta.encoder.layer.0.attention.self.query_proj.weight";
        tensors[Query] = tensors[Query].to(int8);
        SafetensorsFile.Write(Path.Combine(_folder, "model.safetensors"), tensors);
        Assert.Contains($"{Query}: stored as Int8, quantised weights", Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_describes_the_stored_weights_is_written_anew()
    {
        using var scope = NewDisposeScope();
        Write(SafetensorsFile.ReadAll(Path.Combine(Golden, "model.safetensors")));
        var config = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "config.json")))!.AsObject();
        (config["dtype"], config["torch_dtype"], config["quantization_config"]) =
            ("float16", "bfloat16", new System.Text.Json.Nodes.JsonObject { ["load_in_8bit"] = true });
        File.WriteAllText(Path.Combine(_folder, "config.json"), config.ToJsonString());
        using var model = ModelFolder.Load(_folder).Model;
        var saved = Directory.CreateDirectory(Path.Combine(_folder, "saved")).FullName;

        ModelFolder.Save(model, saved);

        var again = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(saved, "config.json")))!.AsObject();
        Assert.Equal(("float32", "float32", false),
            (again["dtype"]!.GetValue<string>(), again["torch_dtype"]!.GetValue<string>(), again.ContainsKey("quantization_config")));
    }

    [Fact]
    public void A_wrong_size_names_the_tensors_and_what_the_file_looks_like()
    {
        File.Copy(Path.Combine(Golden, "model.safetensors"), Path.Combine(_folder, "model.safetensors"));
        File.WriteAllText(Path.Combine(_folder, "config.json"), (DebertaConfig.Read(Path.Combine(Golden, "config.json")) with { HiddenSize = 64 }).ToJson());

        var error = Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder));
        Assert.Contains("expected [512, 64], file has [512, 32]", error.Message);
        Assert.Contains("hidden size 32, 3 layers", error.Message);
    }

    [Fact]
    public void Known_checkpoints_are_called_by_their_names()
    {
        var tensors = new Dictionary<string, TensorInfo>
        {
            ["deberta.embeddings.LayerNorm.weight"] = new(float16, [1024]),
            ["deberta.encoder.layer.23.output.dense.bias"] = new(float16, [1024]),
        };

        var text = KnownModels.Compare(tensors, new DebertaConfig { HiddenSize = 768, NumHiddenLayers = 12, NumAttentionHeads = 12 });

        Assert.Contains("weights look like microsoft/deberta-v3-large", text);
        Assert.Contains("describes microsoft/deberta-v3-base", text);
    }

    [Fact]
    public void A_missing_encoder_weight_is_an_error_and_never_left_random()
    {
        var tensors = SafetensorsFile.ReadAll(Path.Combine(Golden, "model.safetensors"));
        tensors.Remove("deberta.encoder.rel_embeddings.weight");
        Write(tensors);

        Assert.Contains("deberta.encoder.rel_embeddings.weight: missing", Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder)).Message);
    }

    [Fact]
    public void Strict_loading_refuses_what_is_missing_or_left_over()
    {
        var tensors = SafetensorsFile.ReadAll(Path.Combine(Golden, "model.safetensors"));
        tensors["deberta.extra"] = zeros(1);
        tensors.Remove("classifier.weight");
        tensors.Remove("classifier.bias");
        Write(tensors);

        var error = Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder, new LoadOptions { IsStrict = true }));
        Assert.All((string[])["deberta.extra: unexpected", "classifier.weight: missing"], part => Assert.Contains(part, error.Message));
    }

    [Fact]
    public void Half_a_head_is_an_error()
    {
        var tensors = SafetensorsFile.ReadAll(Path.Combine(Golden, "model.safetensors"));
        tensors.Remove("classifier.bias");
        Write(tensors);

        Assert.Contains("only in part", Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder)).Message);
    }

    [Fact]
    public void An_empty_folder_says_what_was_looked_for()
    {
        Assert.Contains("config.json", Assert.Throws<FileNotFoundException>(() => ModelFolder.Load(_folder)).Message);
        File.Copy(Path.Combine(Golden, "config.json"), Path.Combine(_folder, "config.json"));
        Assert.Contains("pytorch_model.bin", Assert.Throws<FileNotFoundException>(() => ModelFolder.Load(_folder)).Message);
    }

    [Fact]
    public void Loading_and_failing_to_load_leave_no_tensor_behind()
    {
        using var warm = ModelFolder.Load(Golden).Model;
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        ModelFolder.Load(Golden).Model.Dispose();
        File.Copy(Path.Combine(Golden, "config.json"), Path.Combine(_folder, "config.json"));
        Assert.Throws<FileNotFoundException>(() => ModelFolder.Load(_folder));

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private void Write(Dictionary<string, Tensor> tensors)
    {
        File.Copy(Path.Combine(Golden, "config.json"), Path.Combine(_folder, "config.json"));
        SafetensorsFile.Write(Path.Combine(_folder, "model.safetensors"), tensors);
    }
}
