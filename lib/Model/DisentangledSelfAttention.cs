using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

// B batch, L length, N real pieces, C hidden = H·D, H heads, D head size, R relative rows that occur, S = 2L−1 distances.

/// <summary>
/// Attention whose scores add content-to-content, content-to-position and position-to-content terms:
/// DeBERTa (He et al. 2021) §3.1, eq. 4; transformers 4.35.2 modeling_deberta_v2.py, DisentangledSelfAttention.
/// </summary>
/// <remarks>
/// Same mathematics, other arrangement. Heads come first, [H, B·L, D], so each position term is H large products instead of B·H small ones.
/// Instead of gathering score (i, j) from column i−j, the product over all S distances is read with a row stride one shorter, which shifts
/// each row by one (the picture shows L = 3, c2p, columns by falling distance):
/// <code>
///   distances   +2 +1  0 −1 −2                       j→0  1  2
///   row i=0   [  .  .  a  b  c ]   flat, from L−1:    a  b  c  .   take L of each 2L−2
///   row i=1   [  .  d  e  f  . ]                      d  e  f  .
///   row i=2   [  g  h  i  .  . ]                      g  h  i
/// </code>
/// </remarks>
internal sealed class DisentangledSelfAttention : Module
{
    private readonly Projection query_proj;
    private readonly Projection key_proj;
    private readonly Projection value_proj;
    private readonly Projection? pos_key_proj;
    private readonly Projection? pos_query_proj;
    private readonly Dropout pos_dropout;
    private readonly Dropout dropout;
    private readonly DebertaConfig _config;
    private readonly DropoutRandom _random;
    private readonly double _scale;

    /// <summary>Makes the attention of one layer.</summary>
    public DisentangledSelfAttention(ModelBuild build)
        : base(nameof(DisentangledSelfAttention))
    {
        _config = build.Config;
        var width = _config.HiddenSize;
        query_proj = new Projection(build, width, width, adapterStream: LayerStream.Query);
        key_proj = new Projection(build, width, width, adapterStream: LayerStream.Key);
        value_proj = new Projection(build, width, width, adapterStream: LayerStream.Value);
        if (_config.RelativeAttention && !_config.ShareAttKey)
        {
            pos_key_proj = _config.HasContentToPosition ? new Projection(build, width, width, adapterStream: LayerStream.PositionKey) : null;
            pos_query_proj = _config.HasPositionToContent ? new Projection(build, width, width, adapterStream: LayerStream.PositionQuery) : null;
        }

        pos_dropout = new Dropout(_config.HiddenDropoutProb, build.Dropout, LayerStream.Relative);
        dropout = new Dropout(_config.AttentionProbsDropoutProb, build.Dropout, LayerStream.Weights);
        _random = build.Dropout;
        _scale = _config.ScoreScale;
        RegisterComponents();
    }

    /// <summary>Queries; shared with the relative positions when <c>share_att_key</c> is set.</summary>
    public Projection QueryProjection => query_proj;

    /// <summary>Keys; shared with the relative positions when <c>share_att_key</c> is set.</summary>
    public Projection KeyProjection => key_proj;

    /// <summary>Values.</summary>
    public Projection ValueProjection => value_proj;

    /// <summary>Keys of the relative positions: their own, or the shared ones.</summary>
    internal Projection PositionKeyProjection => pos_key_proj ?? key_proj;

    /// <summary>Queries of the relative positions: their own, or the shared ones.</summary>
    internal Projection PositionQueryProjection => pos_query_proj ?? query_proj;

    /// <summary>One attention.</summary>
    /// <param name="hidden_NC">The real pieces' hidden states.</param>
    /// <param name="layout">Where they lie in the batch.</param>
    /// <param name="relative">Relative embeddings and their distances; null without relative attention.</param>
    /// <returns>The context of each real piece, [N, C].</returns>
    internal Tensor Run(Tensor hidden_NC, BatchLayout layout, RelativeEmbeddings? relative)
    {
        using var scope = NewDisposeScope();
        var (queries, keys) = (query_proj.call(hidden_NC), key_proj.call(hidden_NC));
        // Dividing the queries divides content-to-content and content-to-position alike, on the smallest tensor.
        var queries_HPD = ByHead(queries.div_(_scale), layout);
        var keys_HPD = ByHead(keys, layout);
        var values_HPD = ByHead(value_proj.call(hidden_NC), layout);
        var scores_GLL = matmul(Grouped(queries_HPD, layout), Grouped(keys_HPD, layout).transpose(1, 2));
        if (relative is not null)
        {
            AddPositionTerms(scores_GLL, queries_HPD, keys_HPD, relative, layout.Length);
        }

        var weights_GLL = dropout.OnScores(Weights(scores_GLL, layout), layout);
        var context_HPD = matmul(weights_GLL, Grouped(values_HPD, layout)).view(queries_HPD.shape);
        return layout.FromGrid(context_HPD.permute(1, 0, 2).reshape(-1, _config.HiddenSize)).MoveToOuterDisposeScope();
    }

    /// <summary>[N, C] → [H, B·L, D], contiguous.</summary>
    private Tensor ByHead(Tensor ragged_NC, BatchLayout layout) =>
        layout.ToGrid(ragged_NC).view(-1, _config.NumAttentionHeads, _config.HeadSize).permute(1, 0, 2).contiguous();

    /// <summary>[H, B·L, D] → [H·B, L, D], a view.</summary>
    private Tensor Grouped(Tensor byHead_HPD, BatchLayout layout) => byHead_HPD.view(-1, layout.Length, _config.HeadSize);

    private static Tensor Weights(Tensor scores_GLL, BatchLayout layout)
    {
        if (layout.KeyMask(scores_GLL.dtype) is { } mask_1B1L)
        {
            scores_GLL.view(-1, layout.Batch, layout.Length, layout.Length).add_(mask_1B1L);
        }

        return functional.softmax(scores_GLL, -1);
    }

    private void AddPositionTerms(Tensor scores_GLL, Tensor queries_HPD, Tensor keys_HPD, RelativeEmbeddings relative, int length)
    {
        using var positionsDraw = _random.OnPositions();
        var dropped_RC = pos_dropout.call(relative.Rows_RC);
        var positions = relative.Positions;
        if (_config.HasContentToPosition)
        {
            var posKeys_RC = (pos_key_proj ?? key_proj).call(dropped_RC);
            var posKeys_HDS = ByDistance(posKeys_RC.index_select(0, positions.RowsDescending));
            scores_GLL.add_(Shifted(matmul(queries_HPD, posKeys_HDS), length));
        }

        if (_config.HasPositionToContent)
        {
            var posQueries_RC = (pos_query_proj ?? query_proj).call(dropped_RC).div_(_scale);
            var perDistance_SC = positions.EveryRowIsOneDistance ? posQueries_RC : posQueries_RC.index_select(0, positions.RowsAscending);
            // Row j, column i here: the key's row looks for the query's distance i − j.
            scores_GLL.add_(Shifted(matmul(keys_HPD, ByDistance(perDistance_SC)), length).transpose(1, 2));
        }
    }

    /// <summary>[S, C] → [H, D, S], a view.</summary>
    private Tensor ByDistance(Tensor projected_SC) => projected_SC.view(-1, _config.NumAttentionHeads, _config.HeadSize).permute(1, 2, 0);

    /// <summary>[H, B·L, S] → [H·B, L, L]: element (r, c) is column c − r + L − 1 of row r; a view.</summary>
    private static Tensor Shifted(Tensor perDistance_HPS, int length)
    {
        var rows = perDistance_HPS.view(-1, (long)length * (2 * length - 1));
        return length == 1
            ? rows.view(-1, 1, 1)
            : rows.narrow(1, length - 1, (long)length * (2 * length - 2)).view(-1, length, 2 * length - 2).narrow(2, 0, length);
    }
}
