using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>LayerNorm's γ and β, [C], float32, contiguous.</summary>
internal sealed record FusedNorm(Tensor Weight, Tensor Bias)
{
    /// <summary>False when both are frozen.</summary>
    public bool IsTrained => Weight.requires_grad || Bias.requires_grad;
}

/// <summary>One layer's parameters. With shared keys the position projections are the very same objects as query and key.</summary>
internal sealed record FusedLayerParameters(
    FusedProjection Query, FusedProjection Key, FusedProjection Value, FusedProjection PositionQuery, FusedProjection PositionKey,
    FusedProjection AttentionOutput, FusedNorm AttentionNorm, FusedProjection Intermediate, FusedProjection Output, FusedNorm OutputNorm)
{
    /// <summary>Every projection once, those of the same rows side by side.</summary>
    public IEnumerable<FusedProjection> Projections =>
        new[] { Key, Query, Value, PositionKey, PositionQuery, AttentionOutput, Intermediate, Output }.Distinct();

    /// <summary>Every tensor once, trained or not; the projections' weights first.</summary>
    public IEnumerable<Tensor> All =>
        [.. Projections.Select(projection => projection.Stored), .. Projections.SelectMany(projection => projection.Others), AttentionNorm.Weight,
            AttentionNorm.Bias, OutputNorm.Weight, OutputNorm.Bias];

    /// <summary>False when the whole layer is frozen.</summary>
    public bool IsTrained => AttentionNorm.IsTrained || OutputNorm.IsTrained || Projections.Any(projection => projection.IsTrained);

    /// <summary>A layer's parameters, shared with its modules.</summary>
    public static FusedLayerParameters Of(DebertaV2Layer layer, GradientBuffers gradients, LayerOperations operations)
    {
        var attention = layer.Attention.Self;
        // Shared keys are one projection, so that their copies are made once.
        var known = new Dictionary<Projection, FusedProjection>(ReferenceEqualityComparer.Instance);
        FusedProjection Pack(Projection projection) =>
            known.TryGetValue(projection, out var packed) ? packed
                : known[projection] = new(new(projection.Weight, projection.Scales), projection.Bias, gradients, operations, AdapterOf(projection));
        return new(
            Pack(attention.QueryProjection), Pack(attention.KeyProjection), Pack(attention.ValueProjection),
            Pack(attention.PositionQueryProjection), Pack(attention.PositionKeyProjection),
            Pack(layer.Attention.Output.Dense), NormOf(layer.Attention.Output), Pack(layer.Intermediate.Dense), Pack(layer.Output.Dense), NormOf(layer.Output));
    }

    private static FusedNorm NormOf(ResidualOutput output) => new(output.Norm.weight!, output.Norm.bias!);

    private static ILowRankAdapter? AdapterOf(Projection projection) => projection.Adapter switch
    {
        null => null,
        ILowRankAdapter adapter => adapter,
        var other => throw new NotSupportedException($"{other.GetType().Name} is no low-rank adapter; set UsesKernels to false to run it as a module."),
    };
}
