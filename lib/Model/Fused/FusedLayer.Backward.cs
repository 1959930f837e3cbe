using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

internal sealed partial class FusedLayer
{
    /// <summary>Computes the layer's gradient, adds the parameters' to their own, and the relative rows' to <paramref name="relativeGradient"/>.</summary>
    /// <param name="saved">From the forward pass.</param>
    /// <param name="upper">∂L/∂(this layer's output); its tensors are disposed or passed on.</param>
    /// <param name="pass">What all layers share.</param>
    /// <param name="relativeGradient">∂L/∂(relative rows), [U, C], float32; null when those are frozen.</param>
    /// <param name="wantsInput">False when nothing below this layer is trained.</param>
    /// <returns>∂L/∂(this layer's input); only its residual part when that is not wanted.</returns>
    public OutputGradient Backward(Saved saved, OutputGradient upper, FusedPass pass, Tensor? relativeGradient, bool wantsInput)
    {
        var type = saved.Input.dtype;
        using var fedGradient = Denormalise(saved.OutputNorm, parameters.OutputNorm, parameters.Output, upper, pass, LayerStream.OutputSum, type);
        // GELU's output was not kept: an adapter has it made anew, the weight's gradient takes what falls off on the way back.
        using var activated = parameters.Output.HasAdapter ? Activated(saved.Inner) : null;
        using var innerGradient = ProjectBack(parameters.Output, fedGradient, activated, pass, LayerStream.Output);
        using (var sums = operations.GeluBackward(saved.Inner, innerGradient))
        {
            buffers.AddColumnSums(sums, parameters.Intermediate.Bias);
        }

        parameters.Output.AccumulateWeight(fedGradient, saved.Inner);
        parameters.Intermediate.AccumulateWeight(innerGradient, saved.Middle);
        var middle = new OutputGradient(upper.Residual, [ProjectBack(parameters.Intermediate, innerGradient, saved.Middle, pass, LayerStream.Intermediate)]);

        using var attendedGradient = Denormalise(saved.AttentionNorm, parameters.AttentionNorm, parameters.AttentionOutput, middle, pass,
            LayerStream.AttentionSum, type);
        parameters.AttentionOutput.AccumulateWeight(attendedGradient, saved.Context);
        using var contextGradient = ProjectBack(parameters.AttentionOutput, attendedGradient, saved.Context, pass, LayerStream.AttentionOutput);
        return new(middle.Residual, AttendBackward(saved, contextGradient, pass, relativeGradient, wantsInput));
    }

    private Tensor ProjectBack(FusedProjection projection, Tensor gradient, Tensor? x, FusedPass pass, LayerStream stream) =>
        projection.BackwardInput(gradient, x, pass, Site(stream, projection.AdapterDropout));

    private Tensor Denormalise(NormState state, FusedNorm norm, FusedProjection projection, OutputGradient upper, FusedPass pass, LayerStream stream,
        ScalarType type)
    {
        var (hidden, columnSums) = operations.Denormalise(state, norm, upper, pass, Site(stream, settings.HiddenDropout), type);
        upper.DisposeProducts();
        using (columnSums)
        {
            buffers.AddColumnSums(columnSums, norm.Weight, norm.Bias, projection.Bias);
        }

        return hidden;
    }

    private Tensor[] AttendBackward(Saved saved, Tensor contextGradient, FusedPass pass, Tensor? relativeGradient, bool wantsInput)
    {
        using var gradients = operations.AttendBackward(saved.Attention, contextGradient, pass, settings, WeightsSite);
        buffers.AddColumnSums(gradients.ColumnSums, parameters.Key.Bias, parameters.Query.Bias, parameters.Value.Bias);
        // All three together, so all are the first of an update or none is: the positions' share of key and query comes after.
        var key = (parameters.Key, gradients.Key, At(parameters.Key, LayerStream.Key).Site);
        var query = (parameters.Query, gradients.Query, At(parameters.Query, LayerStream.Query).Site);
        var value = (parameters.Value, gradients.Value, At(parameters.Value, LayerStream.Value).Site);
        var lower = BackwardEach([key, query, value], saved.Input, pass, wantsInput);
        if (gradients.PositionColumnSums is { } sums)
        {
            buffers.AddColumnSums(sums, gradients.PositionKey is null ? null : parameters.PositionKey.Bias,
                gradients.PositionQuery is null ? null : parameters.PositionQuery.Bias);
            AccumulatePositions(
                [.. Positions.Zip([.. new[] { gradients.PositionKey, gradients.PositionQuery }.OfType<Tensor>()],
                (each, gradient) => (each.Projection, gradient, each.Site))],
                saved.Relative, pass, relativeGradient);
        }

        return lower is [var ofKey, var ofQuery, var ofValue] ? [ofQuery, ofKey, ofValue] : [];
    }

    /// <summary>Weights', biases' and adapters' gradients of projections of the same rows.</summary>
    /// <returns>∂L/∂x of each; empty when that is not wanted.</returns>
    private static Tensor[] BackwardEach(IReadOnlyList<(FusedProjection Projection, Tensor Gradient, DropoutSite Site)> projections, Tensor x, FusedPass pass,
        bool wantsInput)
    {
        FusedProjection.AccumulateWeightEach(projections.Select(each => (each.Projection, each.Gradient)), x);
        if (wantsInput)
        {
            return FusedProjection.BackwardInputEach(projections, x, pass);
        }

        foreach (var (projection, gradient, site) in projections)
        {
            projection.BackwardAdapter(gradient, x, pass, site);
        }

        return [];
    }

    private void AccumulatePositions(
        IReadOnlyList<(FusedProjection Projection, Tensor Gradient, DropoutSite Site)> positions, Tensor relative, FusedPass pass, Tensor? relativeGradient)
    {
        if (relativeGradient is null && !positions.Any(each => each.Projection.IsTrained))
        {
            return;
        }

        var lower = BackwardEach(positions, relative, pass, wantsInput: relativeGradient is not null);
        if (relativeGradient is not null)
        {
            operations.AddDropped(relativeGradient, lower, pass, RelativeSite);
            foreach (var each in lower)
            {
                each.Dispose();
            }
        }
    }
}
