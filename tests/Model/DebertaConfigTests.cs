using System.Text.Json.Nodes;
using NotebookLib.Model;

namespace NotebookLib.Tests.Model;

public sealed class DebertaConfigTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("config-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void An_empty_file_means_the_Python_librarys_defaults()
    {
        var config = Read("{}");

        Assert.Equal((128100, 1536, 24, 24, 6144),
            (config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize));
        Assert.Equal((0.1, 0.1, 512, 0, 0.02, 1e-7),
            (config.HiddenDropoutProb, config.AttentionProbsDropoutProb, config.MaxPositionEmbeddings, config.TypeVocabSize,
            config.InitializerRange, config.LayerNormEps));
        Assert.Equal((false, -1, -1, true, false, 0, "none"),
            (config.RelativeAttention, config.MaxRelativePositions, config.PositionBuckets, config.PositionBiasedInput,
            config.ShareAttKey, config.PadTokenId, config.NormRelEbd));
        Assert.Empty(config.PosAttType);
        Assert.Equal(["LABEL_0", "LABEL_1"], config.Labels);
    }

    [Fact]
    public void Position_terms_are_read_from_a_text_or_a_list()
    {
        Assert.Equal(["p2c", "c2p"], Read("""{"pos_att_type": "P2C | c2p"}""").PosAttType);
        Assert.Equal(["c2p"], Read("""{"pos_att_type": ["c2p"]}""").PosAttType);
        Assert.Empty(Read("""{"pos_att_type": null}""").PosAttType);
    }

    [Fact]
    public void Labels_come_from_id2label_in_the_order_of_their_ids()
    {
        Assert.Equal(["O", "B-X", "I-X"], Read("""{"id2label": {"2": "I-X", "0": "O", "1": "B-X"}, "label2id": {"O": 9}}""").Labels);
        Assert.Equal(["LABEL_0", "LABEL_1", "LABEL_2"], Read("""{"num_labels": 3}""").Labels);
    }

    [Fact]
    public void Unknown_keys_survive_saving()
    {
        var text = Read("""{"transformers_version": "4.35.2", "task_specific_params": {"a": [1, null]}, "hidden_size": 768, "num_attention_heads": 12}""")
            .ToJson();
        var saved = JsonNode.Parse(text)!;

        Assert.Equal("4.35.2", (string?)saved["transformers_version"]);
        Assert.Equal("""{"a":[1,null]}""", saved["task_specific_params"]!.ToJsonString());
        Assert.Equal(768, (int?)saved["hidden_size"]);
    }

    [Fact]
    public void Reading_what_was_saved_changes_nothing()
    {
        var path = Repository.PathOf("tests", "goldens", "model", "v3-tiny", "config.json");
        var first = DebertaConfig.Read(path).ToJson();

        Assert.Equal(first, Read(first).ToJson());
    }

    [Fact]
    public void A_saved_file_says_the_same_as_the_one_that_transformers_wrote()
    {
        var path = Repository.PathOf("tests", "goldens", "model", "v3-tiny", "config.json");
        var original = (JsonObject)JsonNode.Parse(File.ReadAllText(path))!;
        var saved = (JsonObject)JsonNode.Parse(DebertaConfig.Read(path).ToJson())!;

        Assert.Equal(original.OrderBy(pair => pair.Key).Select(Shown), saved.OrderBy(pair => pair.Key).Select(Shown));

        static string Shown(KeyValuePair<string, JsonNode?> pair) => pair.Value is JsonObject entries
            ? $"{pair.Key} {string.Join(",", entries.OrderBy(entry => entry.Key).Select(entry => entry.Key + entry.Value))}"
            : $"{pair.Key} {pair.Value?.ToJsonString().Replace("0.0", "0").Replace("1E-07", "1e-07")}";
    }

    [Fact]
    public void All_contradictions_are_reported_together()
    {
        var error = Assert.Throws<InvalidDataException>(() =>
            Read("""{"hidden_size": 100, "num_attention_heads": 12, "vocab_size": 0, "layer_norm_eps": -1, "hidden_dropout_prob": 1.5}"""));

        Assert.All((string[])["hidden_size: 100 is not a multiple", "vocab_size: 0", "layer_norm_eps", "hidden_dropout_prob"],
            part => Assert.Contains(part, error.Message));
        Assert.Contains(_folder, error.Message);
    }

    [Fact]
    public void All_values_of_a_wrong_kind_are_reported_together()
    {
        var error = Assert.Throws<InvalidDataException>(() => Read("""{"hidden_size": "wide", "relative_attention": 3, "id2label": {"0": "O", "7": "X"}}"""));

        Assert.All((string[])["hidden_size: \"wide\"; expected a whole number", "relative_attention: 3; expected true or false", "id2label: entry \"7\""],
            part => Assert.Contains(part, error.Message));
    }

    [Theory]
    [InlineData("""{"model_type": "deberta"}""", "model_type \"deberta\"")]
    [InlineData("""{"pos_att_type": "p2p|c2p"}""", "pos_att_type \"p2p\"")]
    [InlineData("""{"hidden_act": "quick_gelu"}""", "hidden_act \"quick_gelu\"")]
    [InlineData("""{"norm_rel_ebd": "batch_norm"}""", "norm_rel_ebd \"batch_norm\"")]
    [InlineData("""{"conv_kernel_size": 3, "conv_act": "maxout"}""", "conv_act \"maxout\"")]
    public void What_is_not_ported_is_refused_by_the_switchs_name(string json, string expected)
    {
        Assert.Contains(expected, Assert.Throws<NotSupportedException>(() => Read(json)).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[1]")]
    [InlineData("{\"a\": ")]
    [InlineData("""{"hidden_size": 8, "hidden_size": 16}""")]
    [InlineData("""{"hidden_size": 1e300}""")]
    [InlineData("""{"hidden_size": -768}""")]
    [InlineData("""{"vocab_size": 2147483647, "hidden_size": 2147483647}""")]
    [InlineData("""{"num_attention_heads": 0}""")]
    [InlineData("""{"id2label": {}}""")]
    public void A_damaged_file_is_refused_with_its_name(string json)
    {
        Assert.Contains("config.json", Assert.Throws<InvalidDataException>(() => Read(json)).Message);
    }

    private DebertaConfig Read(string json)
    {
        var path = Path.Combine(_folder, "config.json");
        File.WriteAllText(path, json);
        return DebertaConfig.Read(path);
    }
}
