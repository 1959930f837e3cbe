using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>What a layer needs of the model's settings.</summary>
/// <param name="Heads">Attention heads, H.</param>
/// <param name="HeadSize">Columns of a head, D; C = H·D.</param>
/// <param name="Epsilon">ε of LayerNorm.</param>
/// <param name="InverseScale">1 / √(D · number of score terms), transformers' scale_factor.</param>
/// <param name="AttentionDropout">Probability that an attention weight becomes zero.</param>
/// <param name="HiddenDropout">Probability that a sub-layer's output element becomes zero.</param>
/// <param name="ContentToPosition">Whether the model scores content against position.</param>
/// <param name="PositionToContent">Whether the model scores position against content.</param>
internal sealed record FusedLayerSettings(
    int Heads, int HeadSize, float Epsilon, float InverseScale, double AttentionDropout, double HiddenDropout, bool ContentToPosition, bool PositionToContent);

/// <summary>
/// One encoder layer on ragged rows, forward and gradient written out by hand: matrix products, and everything else in one pass over memory each.
/// The numbers are those of the module that autograd differentiates (a test says so); only the order of float additions differs.
/// </summary>
internal sealed partial class FusedLayer(int index, FusedLayerSettings settings, FusedLayerParameters parameters, GradientBuffers buffers,
    LayerOperations operations)
{
    /// <summary>What the gradient needs from the forward pass and nothing more; N rows.</summary>
    internal sealed class Saved : IDisposable
    {
        /// <summary>The input in the products' type; it belongs to the layer below.</summary>
        public required Tensor Input;

        public required AttentionTensors Attention;
        public required NormState AttentionNorm, OutputNorm;

        /// <summary>What GELU was applied to; the way back leaves gelu(…) here.</summary>
        public required Tensor Inner;

        /// <summary>The relative rows as this layer saw them, after dropout, [U, C].</summary>
        public required Tensor Relative;

        /// <summary>Inputs of the attention's output and of the widening projection; null where neither the weight nor an adapter is trained.</summary>
        public Tensor? Context, Middle;

        private IEnumerable<Tensor> All => ((Tensor?[])
            [Attention.Query, Attention.Key, Attention.Value, Attention.PositionKey, Attention.PositionQuery, Attention.Probabilities, Context,
            AttentionNorm.Sum, AttentionNorm.Statistics, Middle, Inner, OutputNorm.Sum, OutputNorm.Statistics, Relative]).OfType<Tensor>();

        /// <summary>Memory that it takes.</summary>
        public long Bytes => All.Sum(tensor => tensor.numel() * tensor.element_size());

        public void Dispose()
        {
            foreach (var tensor in All)
            {
                tensor.Dispose();
            }
        }
    }

    /// <summary>The parameters, for the encoder to refresh their copies.</summary>
    public FusedLayerParameters Parameters => parameters;

    /// <summary>Computes the layer.</summary>
    /// <param name="x">Rows from the layer below, [N, C].</param>
    /// <param name="pass">What all layers share.</param>
    /// <param name="saved">Receives what the gradient needs; the caller disposes it.</param>
    /// <returns>The layer's rows, [N, C].</returns>
    public Rows Forward(Rows x, FusedPass pass, out Saved saved)
    {
        var attention = ProjectForAttention(x.Copy, pass, out var relative);
        var context = operations.Attend(attention, pass, settings, WeightsSite);
        using var attended = Project(parameters.AttentionOutput, context, pass, LayerStream.AttentionOutput);
        var (middle, attentionNorm) = AddAndNormalise(attended, x.Exact, parameters.AttentionNorm, pass, LayerStream.AttentionSum, keeps: true);

        var inner = Project(parameters.Intermediate, middle.Copy, pass, LayerStream.Intermediate);
        using var activated = Activated(inner);
        using var fed = Project(parameters.Output, activated, pass, LayerStream.Output);
        var (output, outputNorm) = AddAndNormalise(fed, middle.Exact, parameters.OutputNorm, pass, LayerStream.OutputSum, keeps: true);

        saved = new()
        {
            Input = x.Copy,
            Attention = attention,
            Context = Needed(context, parameters.AttentionOutput),
            Relative = relative,
            AttentionNorm = attentionNorm!,
            Middle = Needed(middle.Copy, parameters.Intermediate),
            Inner = inner,
            OutputNorm = outputNorm!,
        };
        middle.DisposeExact();
        return output;
    }

    private static Tensor? Needed(Tensor input, FusedProjection projection)
    {
        if (projection.NeedsInput)
        {
            return input;
        }

        input.Dispose();
        return null;
    }

    /// <summary>Computes the layer and keeps nothing for a gradient: the same numbers up to rounding.</summary>
    /// <inheritdoc cref="Forward" path="/param"/>
    /// <inheritdoc cref="Forward" path="/returns"/>
    public Rows Infer(Rows x, FusedPass pass)
    {
        using var context = InferContext(x.Copy, pass);
        using var attended = Project(parameters.AttentionOutput, context, pass, LayerStream.AttentionOutput);
        var (middle, _) = AddAndNormalise(attended, x.Exact, parameters.AttentionNorm, pass, LayerStream.AttentionSum, keeps: false);
        using var activated = parameters.Intermediate.ForwardGelu(middle.Copy)
            ?? ActivateInPlace(Project(parameters.Intermediate, middle.Copy, pass, LayerStream.Intermediate));
        using var fed = Project(parameters.Output, activated, pass, LayerStream.Output);
        var (output, _) = AddAndNormalise(fed, middle.Exact, parameters.OutputNorm, pass, LayerStream.OutputSum, keeps: false);
        middle.Dispose();
        return output;
    }

    private Tensor InferContext(Tensor x, FusedPass pass)
    {
        using var scope = NewDisposeScope();
        return operations.Attend(ProjectForAttention(x, pass, out _), pass, settings, WeightsSite).MoveToOuterDisposeScope();
    }

    private AttentionTensors ProjectForAttention(Tensor x, FusedPass pass, out Tensor relative)
    {
        var projected = FusedProjection.ForwardEach(
            [At(parameters.Key, LayerStream.Key), At(parameters.Query, LayerStream.Query), At(parameters.Value, LayerStream.Value)], x, pass);
        // This layer's own dropout (transformers' pos_dropout).
        relative = HasPositions ? operations.Drop(pass.RelativeRows, pass, RelativeSite, x.dtype) : pass.RelativeRows.alias();
        Tensor?[] positions = HasPositions ? FusedProjection.ForwardEach(Positions, relative, pass) : [];
        return new(projected[1], projected[0], projected[2], settings.ContentToPosition ? positions[0] : null,
            settings.PositionToContent ? positions[^1] : null,
            operations.New(float32, settings.Heads * pass.ScoresPerHead));
    }

    private bool HasPositions => settings.ContentToPosition || settings.PositionToContent;

    private (FusedProjection Projection, DropoutSite Site)[] Positions =>
        [.. settings.ContentToPosition ? [At(parameters.PositionKey, LayerStream.PositionKey)] : Array.Empty<(FusedProjection, DropoutSite)>(),
         .. settings.PositionToContent ? [At(parameters.PositionQuery, LayerStream.PositionQuery)] : Array.Empty<(FusedProjection, DropoutSite)>()];

    private (FusedProjection Projection, DropoutSite Site) At(FusedProjection projection, LayerStream stream) =>
        (projection, Site(stream, projection.AdapterDropout));

    private Tensor Activated(Tensor inner)
    {
        var activated = operations.New(inner.dtype, inner.shape);
        operations.Gelu(inner, activated);
        return activated;
    }

    private Tensor ActivateInPlace(Tensor inner)
    {
        operations.Gelu(inner, inner);
        return inner;
    }

    private DropoutSite RelativeSite => Site(LayerStream.Relative, settings.HiddenDropout);

    private DropoutSite WeightsSite => Site(LayerStream.Weights, settings.AttentionDropout);

    private DropoutSite Site(LayerStream stream, double probability) => DropoutSite.Of(index, stream, probability);

    private Tensor Project(FusedProjection projection, Tensor x, FusedPass pass, LayerStream stream) =>
        projection.Forward(x, pass, Site(stream, projection.AdapterDropout));

    private (Rows Rows, NormState? State) AddAndNormalise(Tensor hidden, Tensor residual, FusedNorm norm, FusedPass pass, LayerStream stream, bool keeps) =>
        operations.AddAndNormalise(hidden, residual, norm, settings.Epsilon, pass, Site(stream, settings.HiddenDropout), keeps);
}
