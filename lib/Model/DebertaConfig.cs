using System.Text.Json.Nodes;

namespace NotebookLib.Model;

/// <summary>
/// Everything that shapes a DeBERTa-v2/v3 network, as <c>config.json</c> says it. Defaults are those of transformers 4.35.2
/// (<c>configuration_deberta_v2.py</c>, DebertaV2Config), so that a key missing from a file means the same here and there.
/// </summary>
public sealed record DebertaConfig
{
    /// <summary>Rows of the word embedding, V.</summary>
    public int VocabSize { get; init; } = 128_100;

    /// <summary>Width of the hidden states, C.</summary>
    public int HiddenSize { get; init; } = 1536;

    /// <summary>Number of encoder layers.</summary>
    public int NumHiddenLayers { get; init; } = 24;

    /// <summary>Number of attention heads, H; divides <see cref="HiddenSize"/>.</summary>
    public int NumAttentionHeads { get; init; } = 24;

    /// <summary>Width of the feed-forward part.</summary>
    public int IntermediateSize { get; init; } = 6144;

    /// <summary>Activation of the feed-forward part and of the language-model head; see <see cref="Activation"/>.</summary>
    public string HiddenAct { get; init; } = "gelu";

    /// <summary>Dropout probability of hidden states and relative embeddings, 0 to 1.</summary>
    public double HiddenDropoutProb { get; init; } = 0.1;

    /// <summary>Dropout probability of attention weights, 0 to 1.</summary>
    public double AttentionProbsDropoutProb { get; init; } = 0.1;

    /// <summary>Rows of the absolute position table, and the farthest relative distance when <see cref="MaxRelativePositions"/> is below 1.</summary>
    public int MaxPositionEmbeddings { get; init; } = 512;

    /// <summary>Number of segment types; 0 means no segment embedding.</summary>
    public int TypeVocabSize { get; init; }

    /// <summary>Standard deviation of new weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Added to the variance in every LayerNorm.</summary>
    public double LayerNormEps { get; init; } = 1e-7;

    /// <summary>Whether attention sees relative distances at all.</summary>
    public bool RelativeAttention { get; init; }

    /// <summary>Farthest relative distance; below 1 means <see cref="MaxPositionEmbeddings"/>.</summary>
    public int MaxRelativePositions { get; init; } = -1;

    /// <summary>Logarithmic distance buckets on each side; below 1 means one row per distance.</summary>
    public int PositionBuckets { get; init; } = -1;

    /// <summary>Terms of disentangled attention: <c>c2p</c>, <c>p2c</c>, both or none. Files write a list or <c>"p2c|c2p"</c>.</summary>
    public IReadOnlyList<string> PosAttType { get; init; } = [];

    /// <summary>Whether the position terms use the content's query and key projections (v3) or their own (v2).</summary>
    public bool ShareAttKey { get; init; }

    /// <summary><c>layer_norm</c> when the relative embeddings are normalised first, else <c>none</c>; several joined by <c>|</c>.</summary>
    public string NormRelEbd { get; init; } = "none";

    /// <summary>Whether absolute positions are added to the embeddings.</summary>
    public bool PositionBiasedInput { get; init; } = true;

    /// <summary>Id of the padding piece; its embedding gets no gradient.</summary>
    public int PadTokenId { get; init; }

    /// <summary>Kernel width of the convolution beside the first layer (v2); 0 means none.</summary>
    public int ConvKernelSize { get; init; }

    /// <summary>Groups of that convolution.</summary>
    public int ConvGroups { get; init; } = 1;

    /// <summary>Activation of that convolution.</summary>
    public string ConvAct { get; init; } = "tanh";

    /// <summary>Width of one head, D; null means <see cref="HiddenSize"/> / <see cref="NumAttentionHeads"/>.</summary>
    public int? AttentionHeadSize { get; init; }

    /// <summary>Width of the word embedding; null means <see cref="HiddenSize"/>. Another width adds <c>embed_proj</c>.</summary>
    public int? EmbeddingSize { get; init; }

    /// <summary>
    /// Width of the sentence pooler, which token classification does not have; null means <see cref="HiddenSize"/>. Kept for the file's sake.
    /// </summary>
    public int? PoolerHiddenSize { get; init; }

    /// <summary>Dropout of the pooler; kept for the file's sake.</summary>
    public double PoolerDropout { get; init; }

    /// <summary>Activation of the pooler; kept for the file's sake.</summary>
    public string PoolerHiddenAct { get; init; } = "gelu";

    /// <summary>Label names by id, K of them (<c>id2label</c>).</summary>
    public IReadOnlyList<string> Labels { get; init; } = ["LABEL_0", "LABEL_1"];

    /// <summary>Keys of the file that this record does not know; written again when saved.</summary>
    public JsonObject OtherKeys { get; init; } = [];

    /// <summary>D, the width of one head.</summary>
    public int HeadSize => AttentionHeadSize ?? HiddenSize / NumAttentionHeads;

    /// <summary>Number of position terms plus one; scores are divided by √(D · this). DeBERTa (He et al. 2021) §3.1, eq. 4.</summary>
    public int ScaleFactor => 1 + (HasContentToPosition ? 1 : 0) + (HasPositionToContent ? 1 : 0);

    /// <summary>
    /// What scores are divided by. Since 2021 transformers computes it as a float32 tensor, even for float64 models, and older codes as a Python float:
    /// the difference (3e-8) shows in float64 only, so the version that wrote the file decides.
    /// </summary>
    public double ScoreScale =>
        OtherKeys.ContainsKey("transformers_version") ? MathF.Sqrt(HeadSize * ScaleFactor) : Math.Sqrt(HeadSize * ScaleFactor);

    /// <summary>Whether queries look at relative keys.</summary>
    public bool HasContentToPosition => PosAttType.Contains("c2p");

    /// <summary>Whether keys are looked at by relative queries.</summary>
    public bool HasPositionToContent => PosAttType.Contains("p2c");

    /// <summary>Whether relative embeddings pass through the encoder's LayerNorm.</summary>
    public bool NormalizesRelativeEmbeddings => NormRelEbd.ToLowerInvariant().Split('|', StringSplitOptions.TrimEntries).Contains("layer_norm");

    /// <summary>Farthest distance that the logarithmic buckets reach.</summary>
    public int FarthestDistance => MaxRelativePositions < 1 ? MaxPositionEmbeddings : MaxRelativePositions;

    /// <summary>Relative rows on each side; the table has twice as many.</summary>
    public int RelativeSpan => PositionBuckets > 0 ? PositionBuckets : FarthestDistance;

    /// <summary>Reads <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">The file is not a DeBERTa-v2/v3 configuration, or contradicts itself; the message names every fault.</exception>
    /// <exception cref="NotSupportedException">A switch asks for something this port does not have; the message names it.</exception>
    public static DebertaConfig Read(string path) => DebertaConfigJson.Read(path);

    /// <summary>The text of <c>config.json</c>: keys sorted, two spaces, as transformers writes it.</summary>
    public string ToJson() => DebertaConfigJson.Write(this);

    /// <summary>Checks ranges and contradictions.</summary>
    /// <exception cref="InvalidDataException">Something is out of range; the message names every fault with the value seen and one that would work.</exception>
    /// <exception cref="NotSupportedException">A switch asks for something this port does not have.</exception>
    public DebertaConfig Validate() => DebertaConfigRules.Check(this);
}
