using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

internal sealed partial class FusedLayer
{
    /// <summary>
    /// Computes the layer with every product of a weight in int8 and keeps nothing for a gradient. Scores, softmax and context, residual sums and LayerNorm are
    /// computed in float32.
    /// </summary>
    /// <param name="residual">Rows from the layer below, [N, C], float32.</param>
    /// <param name="x">The same, quantised.</param>
    /// <param name="relative">The relative rows, quantised, [U, C].</param>
    /// <param name="pass">What all layers share.</param>
    /// <returns>The layer's rows, [N, C].</returns>
    public (Tensor Exact, Int8Rows Rows) InferInt8(Tensor residual, Int8Rows x, Int8Rows relative, FusedPass pass)
    {
        using var context = AttendInt8(x, relative, pass);
        var (middle, middleRows) = Int8Operations.ProjectAddAndNormalise(
            context, parameters.AttentionOutput, residual, parameters.AttentionNorm, settings.Epsilon);
        using var activated = Int8Operations.ProjectGelu(middleRows, parameters.Intermediate);
        var output = Int8Operations.ProjectAddAndNormalise(activated, parameters.Output, middle, parameters.OutputNorm, settings.Epsilon);
        middle.Dispose();
        middleRows.Dispose();
        return output;
    }

    private Int8Rows AttendInt8(Int8Rows x, Int8Rows relative, FusedPass pass)
    {
        using var scope = NewDisposeScope();
        var context = operations.Attend(
            new(Int8Operations.Project(x, parameters.Query), Int8Operations.Project(x, parameters.Key),
                Int8Operations.Project(x, parameters.Value),
                settings.ContentToPosition ? Int8Operations.Project(relative, parameters.PositionKey) : null,
                settings.PositionToContent ? Int8Operations.Project(relative, parameters.PositionQuery) : null,
                operations.New(float32, settings.Heads * pass.ScoresPerHead)),
            pass, settings, WeightsSite);
        var rows = Int8Operations.Quantise(context);
        return new(rows.Values.MoveToOuterDisposeScope(), rows.Scales.MoveToOuterDisposeScope(), rows.Zero);
    }
}
