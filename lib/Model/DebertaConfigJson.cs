using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Model;

/// <summary><c>config.json</c> ⇄ <see cref="DebertaConfig"/>: the only place that knows the file's spelling.</summary>
internal static class DebertaConfigJson
{
    // The largest published config.json is below 10 KB; a label list of 10,000 names stays below this.
    private const long LargestFile = 4 << 20;

    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        IndentSize = 2,
        NewLine = "\n",
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <inheritdoc cref="DebertaConfig.Read"/>
    public static DebertaConfig Read(string path)
    {
        var json = StrictJson.ReadObject(path, LargestFile, "a model's config.json");
        try
        {
            return FromJson(json).Validate();
        }
        catch (Exception error) when (error is InvalidDataException or NotSupportedException)
        {
            throw error is InvalidDataException
                ? new InvalidDataException($"{path}: {error.Message}", error)
                : new NotSupportedException($"{path}: {error.Message}", error);
        }
    }

    private static DebertaConfig FromJson(JsonObject json)
    {
        var keys = new ConfigKeys(json);
        var type = keys.Take("model_type", "deberta-v2");
        if (type != "deberta-v2")
        {
            throw new NotSupportedException($"model_type \"{type}\" is not supported; expected \"deberta-v2\" (DeBERTa v2 and v3).");
        }

        var d = new DebertaConfig();
        var config = new DebertaConfig
        {
            VocabSize = keys.Take("vocab_size", d.VocabSize),
            HiddenSize = keys.Take("hidden_size", d.HiddenSize),
            NumHiddenLayers = keys.Take("num_hidden_layers", d.NumHiddenLayers),
            NumAttentionHeads = keys.Take("num_attention_heads", d.NumAttentionHeads),
            IntermediateSize = keys.Take("intermediate_size", d.IntermediateSize),
            HiddenAct = keys.Take("hidden_act", d.HiddenAct),
            HiddenDropoutProb = keys.Take("hidden_dropout_prob", d.HiddenDropoutProb),
            AttentionProbsDropoutProb = keys.Take("attention_probs_dropout_prob", d.AttentionProbsDropoutProb),
            MaxPositionEmbeddings = keys.Take("max_position_embeddings", d.MaxPositionEmbeddings),
            TypeVocabSize = keys.Take("type_vocab_size", d.TypeVocabSize),
            InitializerRange = keys.Take("initializer_range", d.InitializerRange),
            LayerNormEps = keys.Take("layer_norm_eps", d.LayerNormEps),
            RelativeAttention = keys.Take("relative_attention", d.RelativeAttention),
            MaxRelativePositions = keys.Take("max_relative_positions", d.MaxRelativePositions),
            PositionBuckets = keys.Take("position_buckets", d.PositionBuckets),
            PosAttType = keys.TakeTerms("pos_att_type"),
            ShareAttKey = keys.Take("share_att_key", d.ShareAttKey),
            NormRelEbd = keys.Take("norm_rel_ebd", d.NormRelEbd),
            PositionBiasedInput = keys.Take("position_biased_input", d.PositionBiasedInput),
            PadTokenId = keys.Take("pad_token_id", d.PadTokenId),
            ConvKernelSize = keys.Take("conv_kernel_size", d.ConvKernelSize),
            ConvGroups = keys.Take("conv_groups", d.ConvGroups),
            ConvAct = keys.Take("conv_act", d.ConvAct),
            AttentionHeadSize = keys.TakeOptional("attention_head_size"),
            EmbeddingSize = keys.TakeOptional("embedding_size"),
            PoolerHiddenSize = keys.TakeOptional("pooler_hidden_size"),
            PoolerDropout = keys.Take("pooler_dropout", d.PoolerDropout),
            PoolerHiddenAct = keys.Take("pooler_hidden_act", d.PoolerHiddenAct),
            Labels = keys.TakeLabels(),
        };
        keys.ThrowIfFaulty();
        return config with { OtherKeys = keys.Rest() };
    }

    /// <inheritdoc cref="DebertaConfig.ToJson"/>
    public static string Write(DebertaConfig config)
    {
        var all = (JsonObject)config.OtherKeys.DeepClone();
        foreach (var (key, value) in KnownKeys(config))
        {
            all[key] = value;
        }

        // Nullable sizes are written only when the file had them: transformers takes a written null for a value.
        AddIfSet(all, "attention_head_size", config.AttentionHeadSize);
        AddIfSet(all, "embedding_size", config.EmbeddingSize);
        if (config.ConvKernelSize > 0)
        {
            all["conv_kernel_size"] = config.ConvKernelSize;
            all["conv_groups"] = config.ConvGroups;
            all["conv_act"] = config.ConvAct;
        }

        var sorted = new JsonObject(all.OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone())));
        return sorted.ToJsonString(Indented) + "\n";
    }

    private static IEnumerable<(string Key, JsonNode? Value)> KnownKeys(DebertaConfig config) =>
    [
        ("model_type", "deberta-v2"),
        ("vocab_size", config.VocabSize),
        ("hidden_size", config.HiddenSize),
        ("num_hidden_layers", config.NumHiddenLayers),
        ("num_attention_heads", config.NumAttentionHeads),
        ("intermediate_size", config.IntermediateSize),
        ("hidden_act", config.HiddenAct),
        ("hidden_dropout_prob", config.HiddenDropoutProb),
        ("attention_probs_dropout_prob", config.AttentionProbsDropoutProb),
        ("max_position_embeddings", config.MaxPositionEmbeddings),
        ("type_vocab_size", config.TypeVocabSize),
        ("initializer_range", config.InitializerRange),
        ("layer_norm_eps", config.LayerNormEps),
        ("relative_attention", config.RelativeAttention),
        ("max_relative_positions", config.MaxRelativePositions),
        ("position_buckets", config.PositionBuckets),
        ("pos_att_type", new JsonArray([.. config.PosAttType.Select(type => (JsonNode)type)])),
        ("share_att_key", config.ShareAttKey),
        ("norm_rel_ebd", config.NormRelEbd),
        ("position_biased_input", config.PositionBiasedInput),
        ("pad_token_id", config.PadTokenId),
        ("pooler_hidden_size", config.PoolerHiddenSize ?? config.HiddenSize),
        ("pooler_dropout", config.PoolerDropout),
        ("pooler_hidden_act", config.PoolerHiddenAct),
        ("id2label", new JsonObject(config.Labels.Select((label, id) => KeyValuePair.Create(id.ToString(CultureInfo.InvariantCulture), (JsonNode?)label)))),
        ("label2id", new JsonObject(config.Labels.Select((label, id) => KeyValuePair.Create(label, (JsonNode?)id)))),
    ];

    private static void AddIfSet(JsonObject all, string key, int? value)
    {
        if (value is { } set)
        {
            all[key] = set;
        }
    }
}
