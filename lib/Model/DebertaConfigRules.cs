using System.Text.RegularExpressions;

namespace NotebookLib.Model;

/// <summary>What a <see cref="DebertaConfig"/> must fulfil before a network is built from it.</summary>
internal static partial class DebertaConfigRules
{
    // Far above every published model; keeps a hostile file from asking for petabytes.
    private const int MostRows = 10_000_000;
    private const int WidestLayer = 65_536;
    private const int MostLayers = 1_000;

    /// <inheritdoc cref="DebertaConfig.Validate"/>
    public static DebertaConfig Check(DebertaConfig config)
    {
        List<string> faults = [.. Sizes(config), .. Numbers(config), .. Shapes(config)];
        if (faults.Count > 0)
        {
            throw new InvalidDataException($"The model's configuration has {faults.Count} fault(s):\n  " + string.Join("\n  ", faults));
        }

        RefuseWhatIsNotPorted(config);
        return config;
    }

    private static IEnumerable<string> Sizes(DebertaConfig config)
    {
        (string Key, int Value, int Least, int Most)[] sizes =
        [
            ("vocab_size", config.VocabSize, 1, MostRows),
            ("hidden_size", config.HiddenSize, 1, WidestLayer),
            ("num_hidden_layers", config.NumHiddenLayers, 1, MostLayers),
            ("num_attention_heads", config.NumAttentionHeads, 1, WidestLayer),
            ("intermediate_size", config.IntermediateSize, 1, WidestLayer),
            ("max_position_embeddings", config.MaxPositionEmbeddings, 1, MostRows),
            ("max_relative_positions", config.MaxRelativePositions, -1, MostRows),
            ("position_buckets", config.PositionBuckets, -1, MostRows),
            ("type_vocab_size", config.TypeVocabSize, 0, MostRows),
            ("conv_kernel_size", config.ConvKernelSize, 0, WidestLayer),
            ("conv_groups", config.ConvGroups, 1, WidestLayer),
            ("embedding_size", config.EmbeddingSize ?? config.HiddenSize, 1, WidestLayer),
            ("id2label", config.Labels.Count, 1, MostRows),
        ];
        return sizes.Where(size => size.Value < size.Least || size.Value > size.Most)
            .Select(size => Invariant($"{size.Key}: {size.Value}; expected {size.Least} to {size.Most}"));
    }

    private static IEnumerable<string> Numbers(DebertaConfig config)
    {
        if (config.HiddenDropoutProb is not (>= 0 and < 1))
        {
            yield return Invariant($"hidden_dropout_prob: {config.HiddenDropoutProb}; expected at least 0 and below 1, for instance 0.1");
        }

        if (config.AttentionProbsDropoutProb is not (>= 0 and < 1))
        {
            yield return Invariant($"attention_probs_dropout_prob: {config.AttentionProbsDropoutProb}; expected at least 0 and below 1, for instance 0.1");
        }

        if (config.LayerNormEps is not (> 0 and < 1))
        {
            yield return Invariant($"layer_norm_eps: {config.LayerNormEps}; expected above 0 and below 1, for instance 1e-7");
        }

        if (config.InitializerRange is not (>= 0 and < 1000))
        {
            yield return Invariant($"initializer_range: {config.InitializerRange}; expected 0 or more, for instance 0.02");
        }
    }

    private static IEnumerable<string> Shapes(DebertaConfig config)
    {
        if (config.NumAttentionHeads > 0 && config.HiddenSize % config.NumAttentionHeads != 0)
        {
            yield return $"hidden_size: {config.HiddenSize} is not a multiple of num_attention_heads {config.NumAttentionHeads}";
        }
        else if (config.NumAttentionHeads > 0 && (long)config.HeadSize * config.NumAttentionHeads != config.HiddenSize)
        {
            yield return $"attention_head_size: {config.HeadSize} × num_attention_heads {config.NumAttentionHeads} is not hidden_size {config.HiddenSize}";
        }

        if (config.PadTokenId < 0 || config.PadTokenId >= config.VocabSize)
        {
            yield return Invariant($"pad_token_id: {config.PadTokenId}; expected 0 to vocab_size − 1 = {config.VocabSize - 1}");
        }

        if (config.PositionBuckets == 1)
        {
            yield return "position_buckets: 1; expected −1 for none, or at least 2, for instance 256";
        }

        if (config.ConvKernelSize > 0 && config.ConvKernelSize % 2 == 0)
        {
            yield return $"conv_kernel_size: {config.ConvKernelSize}; expected an odd width, for instance 3";
        }

        if (config.ConvKernelSize > 0 && config.ConvGroups > 0 && config.HiddenSize % config.ConvGroups != 0)
        {
            yield return $"conv_groups: {config.ConvGroups} does not divide hidden_size {config.HiddenSize}";
        }

        if (config.Labels.Distinct(StringComparer.Ordinal).Count() != config.Labels.Count)
        {
            yield return "id2label: a label is named twice; expected each once";
        }
    }

    private static void RefuseWhatIsNotPorted(DebertaConfig config)
    {
        if (config.PosAttType.FirstOrDefault(type => type is not ("c2p" or "p2c")) is { } unknown)
        {
            throw new NotSupportedException($"pos_att_type \"{unknown}\" is not supported; this port has c2p and p2c, as transformers 4.35.2 does.");
        }

        if (Normalizations().Replace(config.NormRelEbd, "") is { Length: > 0 })
        {
            throw new NotSupportedException($"norm_rel_ebd \"{config.NormRelEbd}\" is not supported; this port has \"layer_norm\" and \"none\".");
        }

        _ = Activation.ByName(config.HiddenAct, "hidden_act");
        if (config.ConvKernelSize > 0)
        {
            _ = Activation.ByName(config.ConvAct, "conv_act");
        }
    }

    [GeneratedRegex(@"layer_norm|none|[\s|]", RegexOptions.IgnoreCase)]
    private static partial Regex Normalizations();
}
