using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>LayerNorm's γ and β, [C], float32, contiguous.</summary>
internal sealed record PackedNorm(Tensor Weight, Tensor Bias)
{
    /// <summary>False when both are frozen.</summary>
    public bool IsTrained => Weight.requires_grad || Bias.requires_grad;
}

/// <summary>One layer's parameters. With shared keys the position projections are the very same objects as query and key.</summary>
internal sealed record PackedLayerParameters(
    PackedProjection Query, PackedProjection Key, PackedProjection Value, PackedProjection PositionQuery, PackedProjection PositionKey,
    PackedProjection AttentionOutput, PackedNorm AttentionNorm, PackedProjection Intermediate, PackedProjection Output, PackedNorm OutputNorm)
{
    /// <summary>Every projection once, those of the same rows side by side.</summary>
    public IEnumerable<PackedProjection> Projections =>
        new[] { Key, Query, Value, PositionKey, PositionQuery, AttentionOutput, Intermediate, Output }.Distinct();

    /// <summary>Every tensor once, trained or not; the projections' weights first.</summary>
    public IEnumerable<Tensor> All =>
        [.. Projections.Select(projection => projection.Stored), .. Projections.SelectMany(projection => projection.Others), AttentionNorm.Weight,
            AttentionNorm.Bias, OutputNorm.Weight, OutputNorm.Bias];

    /// <summary>False when the whole layer is frozen.</summary>
    public bool IsTrained => AttentionNorm.IsTrained || OutputNorm.IsTrained || Projections.Any(projection => projection.IsTrained);
}
