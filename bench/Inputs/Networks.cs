using NotebookLib.Data;
using NotebookLib.Model;
using NotebookRunner.Verification;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Inputs;

/// <summary>The networks of real size, with weights by formula: no download, the same numbers everywhere.</summary>
internal static class Networks
{
    private static readonly DebertaConfig V3 = new()
    {
        VocabSize = 128_100,
        MaxPositionEmbeddings = 512,
        PositionBuckets = 256,
        RelativeAttention = true,
        PosAttType = ["p2c", "c2p"],
        ShareAttKey = true,
        NormRelEbd = "layer_norm",
        PositionBiasedInput = false,
        LayerNormEps = 1e-7,
        HiddenDropoutProb = 0.1,
        AttentionProbsDropoutProb = 0.1,
        Labels = LabelSet.SystemA.Names,
    };

    /// <summary>microsoft/deberta-v3-xsmall.</summary>
    public static DebertaConfig XSmall { get; } = V3 with { HiddenSize = 384, NumHiddenLayers = 12, NumAttentionHeads = 6, IntermediateSize = 1536 };

    /// <summary>microsoft/deberta-v3-base.</summary>
    public static DebertaConfig Base { get; } = V3 with { HiddenSize = 768, NumHiddenLayers = 12, NumAttentionHeads = 12, IntermediateSize = 3072 };

    /// <summary>microsoft/deberta-v3-large.</summary>
    public static DebertaConfig Large { get; } = V3 with { HiddenSize = 1024, NumHiddenLayers = 24, NumAttentionHeads = 16, IntermediateSize = 4096 };

    /// <summary>Our network with the formula's weights.</summary>
    public static DebertaV2ForTokenClassification Ours(DebertaConfig config)
    {
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config));
        using var quiet = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            FormulaWeights.Fill(parameter, name);
        }

        return model;
    }

    /// <summary>
    /// Floating-point operations of the linear layers for one real token, forward: the useful work that shares are counted on (attention's is a few per cent
    /// more).
    /// </summary>
    public static double ForwardFlops(DebertaConfig config) =>
        2.0 * ((config.NumHiddenLayers * ((4.0 * config.HiddenSize * config.HiddenSize) + (2.0 * config.HiddenSize * config.IntermediateSize)))
            + ((double)config.HiddenSize * config.Labels.Count));
}
