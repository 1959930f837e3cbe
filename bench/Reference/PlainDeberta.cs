using NotebookLib.Model;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace NotebookLib.Bench.Reference;

// B rows, L pieces of the longest row, H heads, D head size, C = H·D, R relative rows

/// <summary>
/// transformers 4.35.2 modeling_deberta_v2.py, DebertaV2ForTokenClassification, written out block by block: padding and all, with gathers over the whole
/// relative table, nothing arranged for speed. What the benchmark runs against, and the oracle of the tests for switches that no golden covers: it shares no
/// code with the library but the activation table.
/// </summary>
/// <param name="config">The network's settings.</param>
/// <param name="weights">Parameters by their names in the checkpoint; those that require a gradient get one.</param>
internal sealed class PlainDeberta(DebertaConfig config, IReadOnlyDictionary<string, Tensor> weights)
{
    private readonly TorchSharp.Modules.Embedding _words =
        nn.Embedding_from_pretrained(weights["deberta.embeddings.word_embeddings.weight"], !weights["deberta.embeddings.word_embeddings.weight"].requires_grad,
            config.PadTokenId);

    /// <summary>Whether dropout is on (nn.Module.train).</summary>
    public bool IsTraining { get; set; }

    /// <summary>Whether layers run under torch.utils.checkpoint.</summary>
    public bool UsesCheckpoints { get; set; }

    /// <summary>Adapters by the name of the layer that they lie on.</summary>
    public IReadOnlyDictionary<string, PlainLora> Adapters { get; init; } = new Dictionary<string, PlainLora>();

    /// <summary>Where the weights are.</summary>
    public Device Device => weights["classifier.weight"].device;

    private int Heads => config.NumAttentionHeads;

    /// <summary>Logits and hidden states of a batch.</summary>
    /// <param name="ids_BL">int64.</param>
    /// <param name="mask_BL">int64; 0 marks padding.</param>
    public (Tensor Logits, List<Tensor> States) Run(Tensor ids_BL, Tensor mask_BL)
    {
        var embedded = Embed(ids_BL, mask_BL);
        List<Tensor> states = [embedded];
        // DebertaV2Encoder.get_attention_mask: queries and keys must both be real.
        var pairs_B1LL = (mask_BL.unsqueeze(1).unsqueeze(2) * mask_BL.unsqueeze(1).unsqueeze(3)).to(ScalarType.Bool);
        var relative = config.RelativeAttention ? RelativeTable() : null;
        var positions = RelativePositionIds((int)ids_BL.shape[1]).to(ids_BL.device);
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            var name = $"deberta.encoder.layer.{layer}.";
            var output = UsesCheckpoints && is_grad_enabled()
                ? PlainCheckpoint.Run(states[^1], relative, (x, table) => Layer(name, x, pairs_B1LL, table, positions))
                : Layer(name, states[^1], pairs_B1LL, relative, positions);
            states.Add(layer == 0 && config.ConvKernelSize > 0 ? Convolve(embedded, output, mask_BL) : output);
        }

        // DebertaV2ForTokenClassification.forward: dropout is an nn.Dropout, then the classifier.
        return (Linear("classifier", IsTraining ? F.dropout(states[^1], config.HiddenDropoutProb) : states[^1]), states);
    }

    /// <summary>CrossEntropyLoss over the flattened logits, −100 ignored.</summary>
    public static Tensor Loss(Tensor logits_BLK, Tensor labels_BL) =>
        F.cross_entropy(logits_BLK.view(-1, logits_BLK.shape[^1]), labels_BL.view(-1), ignore_index: -100);

    private Tensor W(string name) => weights[name];

    // nn.Linear; with an adapter, peft 0.7.0 lora/layer.py Linear.forward.
    private Tensor Linear(string name, Tensor x)
    {
        var output = F.linear(x, W(name + ".weight"), weights.GetValueOrDefault(name + ".bias"));
        return Adapters.TryGetValue(name, out var adapter) ? output + adapter.Run(x, IsTraining) : output;
    }

    private Tensor Norm(string name, Tensor x) => F.layer_norm(x, [x.shape[^1]], W(name + ".weight"), W(name + ".bias"), config.LayerNormEps);

    // StableDropout (XDropout.forward): a Boolean mask out of bernoulli, then masked_fill and a product; autograd does in backward what XDropout.backward does.
    private Tensor Dropout(Tensor x, double probability)
    {
        if (!IsTraining || probability == 0)
        {
            return x;
        }

        Tensor mask;
        using (no_grad())
        {
            mask = (1 - empty_like(x).bernoulli_(1 - probability)).to(ScalarType.Bool);
        }

        return x.masked_fill(mask, 0) * (1 / (1 - probability));
    }

    // DebertaV2Embeddings.forward
    private Tensor Embed(Tensor ids_BL, Tensor mask_BL)
    {
        var x = _words.call(ids_BL);
        if (config.PositionBiasedInput)
        {
            x = x + W("deberta.embeddings.position_embeddings.weight")[arange(ids_BL.shape[1])];
        }

        if (config.TypeVocabSize > 0)
        {
            x = x + W("deberta.embeddings.token_type_embeddings.weight")[zeros_like(ids_BL)];
        }

        if (config.EmbeddingSize is { } width && width != config.HiddenSize)
        {
            x = F.linear(x, W("deberta.embeddings.embed_proj.weight"));
        }

        return Dropout(Norm("deberta.embeddings.LayerNorm", x) * mask_BL.unsqueeze(2).to(x.dtype), config.HiddenDropoutProb);
    }

    // DebertaV2Encoder.get_rel_embedding
    private Tensor RelativeTable()
    {
        var table = W("deberta.encoder.rel_embeddings.weight");
        return config.NormRelEbd.Contains("layer_norm") ? Norm("deberta.encoder.LayerNorm", table) : table;
    }

    // build_relative_position and make_log_bucket_position
    private Tensor RelativePositionIds(int length)
    {
        var relative = arange(length).unsqueeze(1) - arange(length).unsqueeze(0);
        var farthest = config.MaxRelativePositions < 1 ? config.MaxPositionEmbeddings : config.MaxRelativePositions;
        if (config.PositionBuckets <= 0)
        {
            return relative;
        }

        var mid = config.PositionBuckets / 2;
        var magnitude = where(relative.lt(mid).logical_and(relative.gt(-mid)), full_like(relative, mid - 1), relative.abs());
        var logarithm = (magnitude.to(float32) / mid).log() / tensor((farthest - 1) / (double)mid, float32).log();
        var far = (logarithm * (mid - 1)).ceil() + mid;
        return where(magnitude.le(mid), relative.to(float32), far * relative.sign()).to(int64);
    }

    // DebertaV2Layer.forward, with DebertaV2SelfOutput, DebertaV2Intermediate and DebertaV2Output
    private Tensor Layer(string name, Tensor x, Tensor pairs_B1LL, Tensor? relative, Tensor positions)
    {
        var context = Attention(name + "attention.self.", x, pairs_B1LL, relative, positions);
        var attended = Norm(name + "attention.output.LayerNorm", Dropout(Linear(name + "attention.output.dense", context), config.HiddenDropoutProb) + x);
        var inner = Activation.ByName(config.HiddenAct, "hidden_act")(Linear(name + "intermediate.dense", attended));
        return Norm(name + "output.LayerNorm", Dropout(Linear(name + "output.dense", inner), config.HiddenDropoutProb) + attended);
    }

    /// <summary>DisentangledSelfAttention.transpose_for_scores: [B, L, C] → [B·H, L, D].</summary>
    private Tensor Transposed(Tensor x) => x.view(x.shape[0], x.shape[1], Heads, -1).permute(0, 2, 1, 3).contiguous().view(-1, x.shape[1], x.shape[2] / Heads);

    // DisentangledSelfAttention.forward
    private Tensor Attention(string name, Tensor x, Tensor pairs_B1LL, Tensor? relative, Tensor positions)
    {
        var (query, key, value) = (Transposed(Linear(name + "query_proj", x)), Transposed(Linear(name + "key_proj", x)),
            Transposed(Linear(name + "value_proj", x)));
        var terms = 1 + (config.PosAttType.Contains("c2p") ? 1 : 0) + (config.PosAttType.Contains("p2c") ? 1 : 0);
        var scale = Math.Sqrt(query.shape[^1] * terms);
        var scores = bmm(query, key.transpose(-1, -2) / scale);
        if (relative is not null)
        {
            scores = scores + Bias(name, query, key, Dropout(relative, config.HiddenDropoutProb), positions, scale);
        }

        var probabilities = Dropout(PlainSoftmax.Run(scores.view(-1, Heads, x.shape[1], x.shape[1]), pairs_B1LL.logical_not()),
            config.AttentionProbsDropoutProb);
        var context = bmm(probabilities.view(-1, x.shape[1], x.shape[1]), value);
        return context.view(-1, Heads, x.shape[1], context.shape[^1]).permute(0, 2, 1, 3).contiguous().view(x.shape[0], x.shape[1], -1);
    }

    // DisentangledSelfAttention.disentangled_attention_bias
    private Tensor Bias(string name, Tensor query, Tensor key, Tensor relative, Tensor positions, double scale)
    {
        long span = config.PositionBuckets > 0
            ? config.PositionBuckets : config.MaxRelativePositions < 1 ? config.MaxPositionEmbeddings : config.MaxRelativePositions;
        var table = relative.narrow(0, 0, 2 * span).unsqueeze(0);
        var batch = query.shape[0] / Heads;
        Tensor? bias = null;
        long[] grid = [query.shape[0], positions.shape[0], positions.shape[1]];
        if (config.PosAttType.Contains("c2p"))
        {
            var posKey = Transposed(Linear(name + (config.ShareAttKey ? "key_proj" : "pos_key_proj"), table)).repeat(batch, 1, 1);
            var index = (positions + span).clamp(0, 2 * span - 1);
            bias = bmm(query, posKey.transpose(-1, -2)).gather(-1, index.unsqueeze(0).expand(grid)) / scale;
        }

        if (config.PosAttType.Contains("p2c"))
        {
            var posQuery = Transposed(Linear(name + (config.ShareAttKey ? "query_proj" : "pos_query_proj"), table)).repeat(batch, 1, 1);
            var index = (-positions + span).clamp(0, 2 * span - 1);
            var term = bmm(key, posQuery.transpose(-1, -2)).gather(-1, index.unsqueeze(0).expand(grid)).transpose(-1, -2) / scale;
            bias = bias is null ? term : bias + term;
        }

        return bias ?? zeros(1, query.dtype);
    }

    // ConvLayer.forward
    private Tensor Convolve(Tensor embedded, Tensor residual, Tensor mask_BL)
    {
        var x = F.conv1d(embedded.permute(0, 2, 1).contiguous(), W("deberta.encoder.conv.conv.weight"), W("deberta.encoder.conv.conv.bias"),
            padding: (config.ConvKernelSize - 1) / 2, groups: config.ConvGroups).permute(0, 2, 1).contiguous();
        x = x.masked_fill(mask_BL.eq(0).unsqueeze(-1), 0);
        x = Activation.ByName(config.ConvAct, "conv_act")(Dropout(x, config.HiddenDropoutProb));
        return Norm("deberta.encoder.conv.LayerNorm", residual + x) * mask_BL.unsqueeze(2).to(x.dtype);
    }
}
