using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>
/// Pieces to vectors: word (and, where configured, position and segment) embeddings, LayerNorm, dropout (transformers 4.35.2 DebertaV2Embeddings).
/// </summary>
public sealed class DebertaV2Embeddings : Module
{
    private readonly EmbeddingTable word_embeddings;
    private readonly EmbeddingTable? position_embeddings;
    private readonly EmbeddingTable? token_type_embeddings;
    private readonly Projection? embed_proj;
    private readonly LayerNorm LayerNorm;
    private readonly Dropout dropout;
    private readonly DebertaConfig _config;

    /// <summary>Makes the embeddings.</summary>
    public DebertaV2Embeddings(ModelBuild build)
        : base(nameof(DebertaV2Embeddings))
    {
        ArgumentNullException.ThrowIfNull(build);
        _config = build.Config;
        var width = _config.EmbeddingSize ?? _config.HiddenSize;
        word_embeddings = new EmbeddingTable(build, _config.VocabSize, width);
        position_embeddings = _config.PositionBiasedInput ? new EmbeddingTable(build, _config.MaxPositionEmbeddings, width) : null;
        token_type_embeddings = _config.TypeVocabSize > 0 ? new EmbeddingTable(build, _config.TypeVocabSize, width) : null;
        embed_proj = width != _config.HiddenSize ? new Projection(build, width, _config.HiddenSize, hasBias: false) : null;
        LayerNorm = build.NewLayerNorm(_config.HiddenSize);
        dropout = new Dropout(_config.HiddenDropoutProb, build.Dropout);
        RegisterComponents();
    }

    /// <summary>Dropout masks that one pass takes.</summary>
    internal int MasksPerPass => dropout.MasksPerPass;

    /// <summary>The word vectors, [V, embedding size].</summary>
    public EmbeddingTable WordEmbeddings => word_embeddings;

    /// <summary>Embeds the real pieces of a batch.</summary>
    /// <returns>[N, C].</returns>
    /// <exception cref="ArgumentException">The batch is longer than the table of absolute positions.</exception>
    internal Tensor Run(PaddedLayout layout)
    {
        using var scope = NewDisposeScope();
        using var part = Platform.StepClock.Part("embeddings");
        var vectors = Words(layout);
        if (position_embeddings is not null)
        {
            EnsureLength(layout.Length);
            vectors = vectors + position_embeddings.call(layout.Positions!);
        }

        if (token_type_embeddings is not null)
        {
            // Token classification has one segment, type 0.
            vectors = vectors + token_type_embeddings.Weight.narrow(0, 0, 1);
        }

        var projected_NC = embed_proj is null ? vectors : embed_proj.call(vectors);
        return dropout.call(LayerNorm.call(projected_NC)).MoveToOuterDisposeScope();
    }

    // nn.Embedding(padding_idx) gives the padding row no gradient, wherever it stands.
    private Tensor Words(PaddedLayout layout)
    {
        var rows = word_embeddings.call(layout.PieceIds);
        return layout.HasRealPadPiece ? where(layout.PieceIds.eq(_config.PadTokenId).unsqueeze(1), rows.detach(), rows) : rows;
    }

    private void EnsureLength(int length)
    {
        if (length > _config.MaxPositionEmbeddings)
        {
            throw new ArgumentException($"The batch is {length} pieces long; this model has positions for {_config.MaxPositionEmbeddings} "
                + "(max_position_embeddings). Split the sentence.");
        }
    }
}
