using NotebookLib.Model;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace NotebookLib.Tests.Model;

/// <summary>
/// The oracle for switches that no golden covers: transformers 4.35.2 modeling_deberta_v2.py written out step by step, padding and all, with gathers over
/// the whole relative table, nothing arranged for speed. It shares no code with the library but the activation table.
/// </summary>
internal sealed class PlainDeberta(DebertaConfig config, IReadOnlyDictionary<string, Tensor> weights)
{
    private int Heads => config.NumAttentionHeads;

    /// <summary>Logits and hidden states of a batch, no dropout.</summary>
    public (Tensor Logits, List<Tensor> States) Run(Tensor ids_BL, Tensor mask_BL)
    {
        var embedded = Embed(ids_BL, mask_BL);
        List<Tensor> states = [embedded];
        // get_attention_mask: queries and keys must both be real.
        var pairs_B1LL = (mask_BL.unsqueeze(1).unsqueeze(2) * mask_BL.unsqueeze(1).unsqueeze(3)).to(ScalarType.Bool);
        var relative = config.RelativeAttention ? RelativeTable() : null;
        var positions = RelativePositionIds((int)ids_BL.shape[1]);
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            var output = Layer($"deberta.encoder.layer.{layer}.", states[^1], pairs_B1LL, relative, positions);
            states.Add(layer == 0 && config.ConvKernelSize > 0 ? Convolve(embedded, output, mask_BL) : output);
        }

        return (Linear("classifier", states[^1]), states);
    }

    private Tensor W(string name) => weights[name];

    private Tensor Linear(string name, Tensor x) => F.linear(x, W(name + ".weight"), weights.GetValueOrDefault(name + ".bias"));

    private Tensor Norm(string name, Tensor x) => F.layer_norm(x, [x.shape[^1]], W(name + ".weight"), W(name + ".bias"), config.LayerNormEps);

    private Tensor Embed(Tensor ids_BL, Tensor mask_BL)
    {
        var table = W("deberta.embeddings.word_embeddings.weight");
        var x = table[ids_BL];
        // padding_idx: the padding row's gradient is dropped wherever it stands.
        x = where(ids_BL.eq(config.PadTokenId).unsqueeze(-1), x.detach(), x);
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

        return Norm("deberta.embeddings.LayerNorm", x) * mask_BL.unsqueeze(2).to(x.dtype);
    }

    private Tensor RelativeTable()
    {
        var table = W("deberta.encoder.rel_embeddings.weight");
        return config.NormRelEbd.Contains("layer_norm") ? Norm("deberta.encoder.LayerNorm", table) : table;
    }

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

    private Tensor Layer(string name, Tensor x, Tensor pairs_B1LL, Tensor? relative, Tensor positions)
    {
        var context = Attention(name + "attention.self.", x, pairs_B1LL, relative, positions);
        var attended = Norm(name + "attention.output.LayerNorm", Linear(name + "attention.output.dense", context) + x);
        var inner = Activation.ByName(config.HiddenAct, "hidden_act")(Linear(name + "intermediate.dense", attended));
        return Norm(name + "output.LayerNorm", Linear(name + "output.dense", inner) + attended);
    }

    /// <summary>[B, L, C] → [B·H, L, D].</summary>
    private Tensor Transposed(Tensor x) => x.view(x.shape[0], x.shape[1], Heads, -1).permute(0, 2, 1, 3).contiguous().view(-1, x.shape[1], x.shape[2] / Heads);

    private Tensor Attention(string name, Tensor x, Tensor pairs_B1LL, Tensor? relative, Tensor positions)
    {
        var (query, key, value) = (Transposed(Linear(name + "query_proj", x)), Transposed(Linear(name + "key_proj", x)), Transposed(Linear(name + "value_proj", x)));
        var terms = 1 + (config.PosAttType.Contains("c2p") ? 1 : 0) + (config.PosAttType.Contains("p2c") ? 1 : 0);
        var scale = Math.Sqrt(query.shape[^1] * terms);
        var scores = bmm(query, key.transpose(-1, -2) / scale);
        if (relative is not null)
        {
            scores = scores + Bias(name, query, key, relative, positions, scale);
        }

        var isHidden = pairs_B1LL.logical_not();
        var scores_BHLL = scores.view(-1, Heads, x.shape[1], x.shape[1]).masked_fill(isHidden, double.MinValue);
        var probabilities = F.softmax(scores_BHLL, -1).masked_fill(isHidden, 0);
        var context = bmm(probabilities.view(-1, x.shape[1], x.shape[1]), value);
        return context.view(-1, Heads, x.shape[1], context.shape[^1]).permute(0, 2, 1, 3).contiguous().view(x.shape[0], x.shape[1], -1);
    }

    private Tensor Bias(string name, Tensor query, Tensor key, Tensor relative, Tensor positions, double scale)
    {
        long span = config.PositionBuckets > 0 ? config.PositionBuckets : config.MaxRelativePositions < 1 ? config.MaxPositionEmbeddings : config.MaxRelativePositions;
        var table = relative.narrow(0, 0, 2 * span).unsqueeze(0);
        var batch = query.shape[0] / Heads;
        var bias = zeros_like(bmm(query, key.transpose(-1, -2)));
        long[] grid = [query.shape[0], positions.shape[0], positions.shape[1]];
        if (config.PosAttType.Contains("c2p"))
        {
            var posKey = Transposed(Linear(name + (config.ShareAttKey ? "key_proj" : "pos_key_proj"), table)).repeat(batch, 1, 1);
            var index = (positions + span).clamp(0, 2 * span - 1);
            bias = bias + bmm(query, posKey.transpose(-1, -2)).gather(-1, index.unsqueeze(0).expand(grid)) / scale;
        }

        if (config.PosAttType.Contains("p2c"))
        {
            var posQuery = Transposed(Linear(name + (config.ShareAttKey ? "query_proj" : "pos_query_proj"), table)).repeat(batch, 1, 1);
            var index = (-positions + span).clamp(0, 2 * span - 1);
            bias = bias + bmm(key, posQuery.transpose(-1, -2)).gather(-1, index.unsqueeze(0).expand(grid)).transpose(-1, -2) / scale;
        }

        return bias;
    }

    private Tensor Convolve(Tensor embedded, Tensor residual, Tensor mask_BL)
    {
        var x = F.conv1d(embedded.permute(0, 2, 1).contiguous(), W("deberta.encoder.conv.conv.weight"), W("deberta.encoder.conv.conv.bias"),
            padding: (config.ConvKernelSize - 1) / 2, groups: config.ConvGroups).permute(0, 2, 1).contiguous();
        x = x.masked_fill(mask_BL.eq(0).unsqueeze(-1), 0);
        x = Activation.ByName(config.ConvAct, "conv_act")(x);
        return Norm("deberta.encoder.conv.LayerNorm", residual + x) * mask_BL.unsqueeze(2).to(x.dtype);
    }
}
