using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

internal sealed unsafe partial class PackedLayer
{
    /// <summary>∂L/∂(layer output): one part along the residual in float32, the others out of matrix products. Whoever receives it disposes it.</summary>
    /// <param name="Residual">[N, C], float32.</param>
    /// <param name="Products">Up to three summands, [N, C], element type of the pass.</param>
    internal sealed record OutputGradient(Tensor Residual, IReadOnlyList<Tensor> Products)
    {
        public void* Product(int i) => i < Products.Count ? PackedMemory.Address(Products[i]) : null;

        public void DisposeProducts()
        {
            foreach (var product in Products)
            {
                product.Dispose();
            }
        }
    }

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
        using var fedGradient = Denormalise(saved.OutputSum, saved.OutputStatistics, parameters.OutputNorm, parameters.Output, upper, pass, PackedStream.OutputSum, type);
        // GELU's output was not kept: an adapter has it made anew, the weight's gradient takes what falls off on the way back.
        using var activated = parameters.Output.HasAdapter ? Activated(saved.Inner) : null;
        using var innerGradient = ProjectBack(parameters.Output, fedGradient, activated, pass, PackedStream.Output);
        Deactivate(saved.Inner, innerGradient);
        parameters.Output.AccumulateWeight(fedGradient, saved.Inner);
        parameters.Intermediate.AccumulateWeight(innerGradient, saved.Middle);
        var middle = new OutputGradient(upper.Residual, [ProjectBack(parameters.Intermediate, innerGradient, saved.Middle, pass, PackedStream.Intermediate)]);

        using var attendedGradient = Denormalise(saved.AttentionSum, saved.AttentionStatistics, parameters.AttentionNorm, parameters.AttentionOutput, middle, pass, PackedStream.AttentionSum, type);
        parameters.AttentionOutput.AccumulateWeight(attendedGradient, saved.Context);
        using var contextGradient = ProjectBack(parameters.AttentionOutput, attendedGradient, saved.Context, pass, PackedStream.AttentionOutput);
        return new(middle.Residual, AttendBackward(saved, contextGradient, pass, relativeGradient, type, wantsInput));
    }

    /// <summary>Through LayerNorm, residual and dropout: the residual part stays in <paramref name="upper"/>'s tensor, the sub-layer's part is returned.</summary>
    private Tensor Denormalise(
        Tensor sum, Tensor statistics, PackedNorm norm, PackedProjection projection, OutputGradient upper, PackedPass pass, PackedStream stream, ScalarType type)
    {
        using var part = StepClock.Part("dropout + residual + LayerNorm, gradient");
        int rowCount = (int)sum.shape[0], columns = (int)sum.shape[1], parts = ThreadTeam.RangeCount(rowCount, 8);
        using var sums = zeros(parts, 3, columns, float32);
        var hidden = empty(sum.shape, type);
        var rows = Pointers(null, norm, pass, stream, sum, statistics);
        var gradients = new NormKernel.Gradients
        {
            FromResidual = PackedMemory.Floats(upper.Residual),
            FromProduct0 = upper.Product(0),
            FromProduct1 = upper.Product(1),
            FromProduct2 = upper.Product(2),
            ToResidual = PackedMemory.Floats(upper.Residual),
            ToHidden = PackedMemory.Address(hidden),
        };
        var partial = PackedMemory.Floats(sums);
        ThreadTeam.RunRanges(rowCount, 8, (range, start, end) =>
        {
            var own = partial + ((long)range * 3 * columns);
            if (type == ScalarType.BFloat16)
            {
                NormKernel.Backward<Kernels.BFloat16>(rows, gradients, own, start, end);
            }
            else
            {
                NormKernel.Backward<Kernels.Float32>(rows, gradients, own, start, end);
            }
        });
        upper.DisposeProducts();
        using var totals = sums.sum(dim: 0);
        AddIfTrained(norm.Weight, totals, 0);
        AddIfTrained(norm.Bias, totals, 1);
        using var bias = totals[2];
        projection.AccumulateBias(bias);
        return hidden;
    }

    private void AddIfTrained(Tensor parameter, Tensor totals, int row)
    {
        if (parameter.requires_grad)
        {
            using var gradient = totals[row];
            buffers.Add(parameter, gradient);
        }
    }

    /// <summary>∂L/∂gelu(inner) becomes ∂L/∂inner, and inner becomes gelu(inner).</summary>
    private void Deactivate(Tensor inner, Tensor gradient)
    {
        using var part = StepClock.Part("GELU, gradient");
        int rowCount = (int)inner.shape[0], columns = (int)inner.shape[1], parts = ThreadTeam.RangeCount(rowCount, 8);
        using var sums = zeros(parts, columns, float32);
        var isHalf = inner.dtype == ScalarType.BFloat16;
        void* x = PackedMemory.Address(inner), g = PackedMemory.Address(gradient);
        var partial = PackedMemory.Floats(sums);
        ThreadTeam.RunRanges(rowCount, 8, (range, start, end) =>
        {
            var own = partial + ((long)range * columns);
            if (isHalf)
            {
                GeluKernel.Backward<Kernels.BFloat16>(x, g, columns, own, start, end);
            }
            else
            {
                GeluKernel.Backward<Kernels.Float32>(x, g, columns, own, start, end);
            }
        });
        using var totals = sums.sum(dim: 0);
        parameters.Intermediate.AccumulateBias(totals);
    }

    private List<Tensor> AttendBackward(Saved saved, Tensor contextGradient, PackedPass pass, Tensor? relativeGradient, ScalarType type, bool wantsInput)
    {
        var shape = saved.Query.shape;
        using Tensor query = empty(shape, type), key = empty(shape, type), value = empty(shape, type);
        using var columnSums = zeros(3, shape[1], float32);
        using var positionKey = settings.ContentToPosition ? zeros(pass.RelativeRows.shape, float32) : null;
        using var positionQuery = settings.PositionToContent ? zeros(pass.RelativeRows.shape, float32) : null;
        var inputs = Pointers(new(saved.Query, saved.Key, saved.Value, saved.PositionKey, saved.PositionQuery, saved.Probabilities, saved.Context), pass);
        var gradients = new AttentionKernel.Gradients
        {
            Context = PackedMemory.Address(contextGradient),
            Query = PackedMemory.Address(query),
            Key = PackedMemory.Address(key),
            Value = PackedMemory.Address(value),
            PositionKey = positionKey is null ? null : PackedMemory.Floats(positionKey),
            PositionQuery = positionQuery is null ? null : PackedMemory.Floats(positionQuery),
            ColumnSums = PackedMemory.Floats(columnSums),
        };
        using (StepClock.Part("attention, gradient"))
        {
            AttendBackward(inputs, gradients, pass, type);
        }

        AccumulatePositions(parameters.PositionKey, positionKey, saved.Relative, pass, PackedStream.PositionKey, relativeGradient);
        AccumulatePositions(parameters.PositionQuery, positionQuery, saved.Relative, pass, PackedStream.PositionQuery, relativeGradient);
        List<Tensor> products = [];
        foreach (var (projection, gradient, stream) in ((PackedProjection, Tensor, PackedStream)[])
            [(parameters.Query, query, PackedStream.Query), (parameters.Key, key, PackedStream.Key), (parameters.Value, value, PackedStream.Value)])
        {
            projection.AccumulateWeight(gradient, saved.Input);
            using var sums = columnSums[stream - PackedStream.Query];
            projection.AccumulateBias(sums);
            if (wantsInput)
            {
                products.Add(ProjectBack(projection, gradient, saved.Input, pass, stream));
            }
            else
            {
                projection.BackwardAdapter(gradient, saved.Input, pass.Stream(index, stream, projection.AdapterDropout));
            }
        }

        return products;
    }

    private void AttendBackward(AttentionKernel.Inputs inputs, AttentionKernel.Gradients gradients, PackedPass pass, ScalarType type) =>
        ThreadTeam.Run(settings.Heads, head =>
        {
            if (type == ScalarType.BFloat16)
            {
                AttentionKernel.Backward<Kernels.BFloat16>(inputs, gradients, pass.Shape, head);
            }
            else
            {
                AttentionKernel.Backward<Kernels.Float32>(inputs, gradients, pass.Shape, head);
            }
        });

    private void AccumulatePositions(PackedProjection projection, Tensor? gradient, Tensor relative, PackedPass pass, PackedStream stream, Tensor? relativeGradient)
    {
        if (gradient is null || (relativeGradient is null && !projection.IsTrained))
        {
            return;
        }

        using var cast = gradient.to(relative.dtype);
        projection.AccumulateWeight(cast, relative);
        using var sums = gradient.sum(dim: 0);
        projection.AccumulateBias(sums);
        if (relativeGradient is null)
        {
            projection.BackwardAdapter(cast, relative, pass.Stream(index, stream, projection.AdapterDropout));
            return;
        }

        using var lower = ProjectBack(projection, cast, relative, pass, stream);
        using var exact = lower.to(float32);
        using var dropped = DropRelativeRows(exact, pass);
        relativeGradient.add_(dropped);
    }
}
