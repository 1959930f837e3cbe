using NotebookLib.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Dropout = NotebookLib.Model.Dropout;

namespace NotebookLib.Lora;

/// <summary>An adapter on one layer.</summary>
internal abstract class LoraModule(string name) : Module<Tensor, Tensor>(name)
{
    /// <summary>Factor of its output.</summary>
    public required double Scale { get; init; }

    /// <summary>The adapters of which this is one.</summary>
    public LoraAdapters? Owner { get; set; }

    /// <summary>Its parameters by what a file calls them behind the module's name.</summary>
    public abstract IEnumerable<(string Part, Parameter Parameter)> Parts { get; }

    /// <summary>The layer's weight with the adapter in it.</summary>
    /// <param name="weight">The frozen weight.</param>
    public abstract Tensor Merged(Tensor weight);

    /// <summary>What merging adds to the layer's bias, or null.</summary>
    public virtual Tensor? BiasChange() => null;

    // A parameter takes its tensor over, and with it the tensor's place in a dispose scope.
    private protected static Parameter Trained(Tensor values, Tensor like, bool isTrained)
    {
        var dtype = like.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var parameter = new Parameter(values.to(dtype, like.device, copy: true).DetachFromDisposeScope(), isTrained);
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}

/// <summary>
/// The adapter of a linear layer: x → scale · B(A(dropout(x))) (Hu et al. 2021, §4.1; peft 0.7.0 tuners/lora/layer.py), B with a bias where the settings say
/// so. B starts at zero, so it changes nothing at first. With magnitudes (Liu et al. 2024, eq. 5; peft 0.21.2 tuners/lora/dora.py) the layer as a whole gives b
/// + m / ‖W + scale · B A‖ · (W x + scale · B A x); the norm is a constant in the gradient (§4.3).
/// </summary>
internal sealed class LoraLayer : LoraModule, ILowRankAdapter
{
    // PEFT's names; what has "bias" in its name does not decay.
    private readonly Parameter lora_A;
    private readonly Parameter lora_B;
    private readonly Parameter? lora_B_bias;
    private readonly Parameter? lora_magnitude_vector;
    private readonly Dropout dropout;
    // As a field the layer itself would be registered as a part of its adapter.
    private readonly Func<Tensor> _denseWeight;

    /// <summary>An adapter for a projection, on its device.</summary>
    /// <param name="projection">The frozen layer.</param>
    /// <param name="settings">Valid settings.</param>
    /// <param name="rank">This layer's rank.</param>
    /// <param name="random">Where dropout masks come from: the network's own source.</param>
    /// <param name="generator">Where A comes from; null leaves all to be filled from a file.</param>
    public LoraLayer(Projection projection, LoraSettings settings, int rank, DropoutRandom random, Generator? generator)
        : base(nameof(LoraLayer))
    {
        var (output, input) = (projection.Weight.shape[0], projection.Weight.shape[1]);
        var isTrained = !settings.TrainsHeadOnly;
        (_denseWeight, DropoutProbability) = (projection.DenseWeight, settings.Dropout ?? 0);
        // kaiming_uniform with a = √5 over the fan-in, as nn.Linear: ±1/√in. Drawn in float32, so that another dtype starts from the same numbers.
        var bound = 1 / Math.Sqrt(input);
        using var drawn = generator is null ? zeros(rank, input) : empty(rank, input).uniform_(-bound, bound, generator);
        using Tensor nothing = zeros(output, rank), none = zeros(output);
        lora_A = Trained(drawn, projection.Weight, isTrained);
        lora_B = Trained(nothing, projection.Weight, isTrained);
        lora_B_bias = settings.HasBias ? Trained(none, projection.Weight, isTrained) : null;
        if (settings.UsesMagnitudes)
        {
            using var weight = projection.DenseWeight();
            using var norms = RowNorms(weight);
            lora_magnitude_vector = Trained(norms, projection.Weight, isTrained);
        }

        dropout = new Dropout(DropoutProbability, random, projection.AdapterStream);
        RegisterComponents();
    }

    /// <inheritdoc />
    public Tensor Down => lora_A;

    /// <inheritdoc />
    public Tensor Up => lora_B;

    /// <inheritdoc />
    public double DropoutProbability { get; }

    /// <inheritdoc />
    public bool IsPlain => lora_B_bias is null && lora_magnitude_vector is null;

    /// <inheritdoc />
    public override IEnumerable<(string Part, Parameter Parameter)> Parts
    {
        get
        {
            yield return ("lora_A.weight", lora_A);
            yield return ("lora_B.weight", lora_B);
            if (lora_B_bias is not null)
            {
                yield return ("lora_B.bias", lora_B_bias);
            }

            if (lora_magnitude_vector is not null)
            {
                yield return ("lora_magnitude_vector", lora_magnitude_vector);
            }
        }
    }

    /// <summary>What the adapter adds to its layer's output.</summary>
    /// <param name="input">[…, in].</param>
    /// <returns>[…, out].</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var dropped = dropout.call(input);
        var added = functional.linear(functional.linear(dropped, lora_A), lora_B, lora_B_bias) * Scale;
        if (lora_magnitude_vector is null)
        {
            return added.MoveToOuterDisposeScope();
        }

        var weight = _denseWeight();
        var factors = lora_magnitude_vector / NormsWithAdapter(weight);
        return (((factors - 1) * functional.linear(dropped, weight)) + (factors * added)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc />
    public override Tensor Merged(Tensor weight)
    {
        using var scope = NewDisposeScope();
        var merged = weight + (matmul(lora_B, lora_A) * Scale);
        return (lora_magnitude_vector is null ? merged : merged * (lora_magnitude_vector / RowNorms(merged)).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc />
    public override Tensor? BiasChange()
    {
        using var scope = NewDisposeScope();
        return lora_B_bias is null ? null : (lora_B_bias * Scale).MoveToOuterDisposeScope();
    }

    private Tensor NormsWithAdapter(Tensor weight)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        return RowNorms(weight + (matmul(lora_B, lora_A) * Scale)).MoveToOuterDisposeScope();
    }

    private static Tensor RowNorms(Tensor weight) => weight.pow(2).sum(dim: 1).sqrt();
}

/// <summary>The adapter of the table of word vectors: piece → scale · B A[:, piece] (peft 0.21.2 tuners/lora/layer.py, Embedding). A starts at zero.</summary>
internal sealed class LoraEmbedding : LoraModule
{
    private readonly Parameter lora_embedding_A;
    private readonly Parameter lora_embedding_B;

    /// <summary>An adapter for a table, on its device.</summary>
    /// <param name="table">[V, C].</param>
    /// <param name="rank">Width of the inner layer.</param>
    /// <param name="isTrained">Whether it is trained.</param>
    /// <param name="generator">Where B comes from; null leaves all to be filled from a file.</param>
    public LoraEmbedding(Tensor table, int rank, bool isTrained, Generator? generator)
        : base(nameof(LoraEmbedding))
    {
        using Tensor nothing = zeros(rank, table.shape[0]),
        drawn = generator is null ? zeros(table.shape[1], rank) : empty(table.shape[1], rank).normal_(0, 1, generator);
        lora_embedding_A = Trained(nothing, table, isTrained);
        lora_embedding_B = Trained(drawn, table, isTrained);
        RegisterComponents();
    }

    /// <inheritdoc />
    public override IEnumerable<(string Part, Parameter Parameter)> Parts => [("lora_embedding_A", lora_embedding_A), ("lora_embedding_B", lora_embedding_B)];

    /// <summary>What the adapter adds to the looked-up rows.</summary>
    /// <param name="input">Ids, [N] int64.</param>
    /// <returns>[N, C].</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return (matmul(lora_embedding_A.index_select(1, input).t(), lora_embedding_B.t()) * Scale).MoveToOuterDisposeScope();
    }

    /// <inheritdoc />
    public override Tensor Merged(Tensor weight)
    {
        using var scope = NewDisposeScope();
        return (weight + (matmul(lora_embedding_B, lora_embedding_A).t() * Scale)).MoveToOuterDisposeScope();
    }
}
