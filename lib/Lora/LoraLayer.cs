using NotebookLib.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Dropout = NotebookLib.Model.Dropout;

namespace NotebookLib.Lora;

/// <summary>One adapter: x → alpha / rank · B(A(dropout(x))) (Hu et al. 2021, §4.1; peft 0.7.0 tuners/lora/layer.py). B starts at zero, so it changes nothing at first.</summary>
public sealed class LoraLayer : Module<Tensor, Tensor>, ILowRankAdapter
{
    // PEFT's names.
    private readonly Parameter lora_A;
    private readonly Parameter lora_B;
    private readonly Dropout dropout;
    private readonly LoraSettings _settings;

    /// <summary>An adapter for a projection, on its device.</summary>
    /// <param name="projection">The frozen layer.</param>
    /// <param name="settings">Valid settings.</param>
    /// <param name="random">Where dropout masks come from: the network's own source.</param>
    /// <param name="generator">Where A comes from; null leaves A and B to be filled from a file.</param>
    internal LoraLayer(Projection projection, LoraSettings settings, DropoutRandom random, Generator? generator)
        : base(nameof(LoraLayer))
    {
        var (output, input) = (projection.Weight.shape[0], projection.Weight.shape[1]);
        var dtype = projection.Weight.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        _settings = settings;
        // kaiming_uniform with a = √5 over the fan-in, as nn.Linear: ±1/√in. Drawn in float32, so that another dtype starts from the same numbers.
        var bound = 1 / Math.Sqrt(input);
        using var drawn = generator is null ? zeros(settings.Rank, input) : empty(settings.Rank, input).uniform_(-bound, bound, generator);
        // A parameter takes its tensor over, and with it the tensor's place in a dispose scope.
        lora_A = new Parameter(drawn.to(dtype, projection.Weight.device, copy: true).DetachFromDisposeScope(), !settings.TrainsHeadOnly);
        lora_B = new Parameter(zeros(output, settings.Rank, dtype: dtype, device: projection.Weight.device).DetachFromDisposeScope(), !settings.TrainsHeadOnly);
        lora_A.DetachFromDisposeScope();
        lora_B.DetachFromDisposeScope();
        dropout = new Dropout(settings.Dropout, random);
        RegisterComponents();
    }

    /// <inheritdoc />
    public Tensor Down => lora_A;

    /// <inheritdoc />
    public Tensor Up => lora_B;

    /// <inheritdoc />
    public double Scale => _settings.Scale;

    /// <inheritdoc />
    public double DropoutProbability => _settings.Dropout;

    /// <summary>The adapters of which this is one.</summary>
    internal LoraAdapters? Owner { get; set; }

    /// <summary>What the adapter adds to its layer's output.</summary>
    /// <param name="input">[…, in].</param>
    /// <returns>[…, out].</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return (functional.linear(functional.linear(dropout.call(input), lora_A), lora_B) * Scale).MoveToOuterDisposeScope();
    }

    /// <summary>What merging adds to the frozen weight: alpha / rank · B·A, [out, in].</summary>
    internal Tensor WeightChange()
    {
        using var scope = NewDisposeScope();
        return (matmul(lora_B, lora_A) * Scale).MoveToOuterDisposeScope();
    }
}
