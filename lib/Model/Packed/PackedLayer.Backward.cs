using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

internal sealed partial class PackedLayer
{
    /// <summary>Computes the layer's gradient, adds the parameters' to their own, and the relative rows' to <paramref name="relativeGradient"/>.</summary>
    /// <param name="saved">From the forward pass.</param>
    /// <param name="upper">∂L/∂(this layer's output); its tensors are disposed or passed on.</param>
    /// <param name="pass">What all layers share.</param>
    /// <param name="relativeGradient">∂L/∂(relative rows), [U, C], float32; null when those are frozen.</param>
    /// <param name="wantsInput">False when nothing below this layer is trained.</param>
    /// <returns>∂L/∂(this layer's input); only its residual part when that is not wanted.</returns>
    public OutputGradient Backward(Saved saved, OutputGradient upper, PackedPass pass, Tensor? relativeGradient, bool wantsInput)
    {
        var type = saved.Input.dtype;
        using var fedGradient = Denormalise(saved.OutputNorm, parameters.OutputNorm, parameters.Output, upper, pass, PackedStream.OutputSum, type);
        // GELU's output was not kept: an adapter has it made anew, the weight's gradient takes what falls off on the way back.
        using var activated = parameters.Output.HasAdapter ? Activated(saved.Inner) : null;
        using var innerGradient = ProjectBack(parameters.Output, fedGradient, activated, pass, PackedStream.Output);
        using (var sums = operations.GeluBackward(saved.Inner, innerGradient))
        {
            buffers.AddColumnSums(sums, parameters.Intermediate.Bias);
        }

        parameters.Output.AccumulateWeight(fedGradient, saved.Inner);
        parameters.Intermediate.AccumulateWeight(innerGradient, saved.Middle);
        var middle = new OutputGradient(upper.Residual, [ProjectBack(parameters.Intermediate, innerGradient, saved.Middle, pass, PackedStream.Intermediate)]);

        using var attendedGradient = Denormalise(saved.AttentionNorm, parameters.AttentionNorm, parameters.AttentionOutput, middle, pass, PackedStream.AttentionSum, type);
        parameters.AttentionOutput.AccumulateWeight(attendedGradient, saved.Context);
        using var contextGradient = ProjectBack(parameters.AttentionOutput, attendedGradient, saved.Context, pass, PackedStream.AttentionOutput);
        return new(middle.Residual, AttendBackward(saved, contextGradient, pass, relativeGradient, wantsInput));
    }

    private Tensor ProjectBack(PackedProjection projection, Tensor gradient, Tensor? x, PackedPass pass, PackedStream stream) =>
        projection.BackwardInput(gradient, x, pass, Site(stream, projection.AdapterDropout));

    private Tensor Denormalise(NormState state, PackedNorm norm, PackedProjection projection, OutputGradient upper, PackedPass pass, PackedStream stream, ScalarType type)
    {
        var (hidden, columnSums) = operations.Denormalise(state, norm, upper, pass, Site(stream, settings.HiddenDropout), type);
        upper.DisposeProducts();
        using (columnSums)
        {
            buffers.AddColumnSums(columnSums, norm.Weight, norm.Bias, projection.Bias);
        }

        return hidden;
    }

    private List<Tensor> AttendBackward(Saved saved, Tensor contextGradient, PackedPass pass, Tensor? relativeGradient, bool wantsInput)
    {
        using var gradients = operations.AttendBackward(saved.Attention, contextGradient, pass, settings, WeightsSite);
        buffers.AddColumnSums(gradients.ColumnSums, parameters.Query.Bias, parameters.Key.Bias, parameters.Value.Bias);
        if (gradients.PositionColumnSums is { } sums)
        {
            buffers.AddColumnSums(sums, gradients.PositionKey is null ? null : parameters.PositionKey.Bias, gradients.PositionQuery is null ? null : parameters.PositionQuery.Bias);
        }

        AccumulatePositions(parameters.PositionKey, gradients.PositionKey, saved.Relative, pass, PackedStream.PositionKey, relativeGradient);
        AccumulatePositions(parameters.PositionQuery, gradients.PositionQuery, saved.Relative, pass, PackedStream.PositionQuery, relativeGradient);
        List<Tensor> products = [];
        foreach (var (projection, gradient, stream) in ((PackedProjection, Tensor, PackedStream)[])
            [(parameters.Query, gradients.Query, PackedStream.Query), (parameters.Key, gradients.Key, PackedStream.Key), (parameters.Value, gradients.Value, PackedStream.Value)])
        {
            projection.AccumulateWeight(gradient, saved.Input);
            if (wantsInput)
            {
                products.Add(ProjectBack(projection, gradient, saved.Input, pass, stream));
            }
            else
            {
                projection.BackwardAdapter(gradient, saved.Input, pass, Site(stream, projection.AdapterDropout));
            }
        }

        return products;
    }

    private void AccumulatePositions(PackedProjection projection, Tensor? gradient, Tensor relative, PackedPass pass, PackedStream stream, Tensor? relativeGradient)
    {
        if (gradient is null || (relativeGradient is null && !projection.IsTrained))
        {
            return;
        }

        projection.AccumulateWeight(gradient, relative);
        if (relativeGradient is null)
        {
            projection.BackwardAdapter(gradient, relative, pass, Site(stream, projection.AdapterDropout));
            return;
        }

        using var lower = ProjectBack(projection, gradient, relative, pass, stream);
        using var exact = lower.to(float32);
        using var dropped = operations.Drop(exact, pass, Site(PackedStream.Relative, settings.HiddenDropout), float32);
        operations.AddInPlace(relativeGradient, dropped);
    }
}
