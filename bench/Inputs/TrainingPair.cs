using NotebookLib.Batching;
using NotebookLib.Bench.Reference;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookRunner.Verification;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Inputs;

/// <summary>How a network is trained, after the original's notebooks.</summary>
/// <param name="Name">What the tables call it.</param>
/// <param name="Config">The network.</param>
/// <param name="BatchSize">Sentences per micro-batch.</param>
/// <param name="Accumulation">Micro-batches per update.</param>
/// <param name="IsLora">Adapters (r 4, alpha 8, dropout 0.1, query and key) on a frozen base with activation checkpointing, instead of all weights.</param>
internal sealed record TrainingKind(string Name, DebertaConfig Config, int BatchSize, int Accumulation, bool IsLora)
{
    /// <summary>16 × 8 sentences an update.</summary>
    public static TrainingKind Base { get; } = new("base", Networks.Base, 16, 8, false);

    /// <summary>8 × 16 sentences an update.</summary>
    public static TrainingKind LargeLora { get; } = new("large-LoRA", Networks.Large, 8, 16, true);

    /// <summary>16 × 8 sentences an update.</summary>
    public static TrainingKind XSmall { get; } = new("xsmall", Networks.XSmall, 16, 8, false);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<TrainingKind> All { get; } = [Base, LargeLora, XSmall];

    /// <summary>
    /// Operations that one real token needs: forward, input gradient and, unless the weights are frozen, theirs. Computing activations anew is not needed.
    /// </summary>
    public double FlopsPerToken => (IsLora ? 2 : 3) * Networks.ForwardFlops(Config);
}

/// <summary>Ours and the transcription with equal weights, ready to train on the same micro-batches.</summary>
internal sealed class TrainingPair : IDisposable
{
    private readonly DebertaV2ForTokenClassification _model;
    private readonly Dictionary<string, Tensor> _weights;
    private readonly IReadOnlyList<EncodedSentence[]> _batches;

    /// <summary>Makes both.</summary>
    /// <param name="kind">How to train.</param>
    /// <param name="batches">The micro-batches, asked for by number.</param>
    /// <param name="device">Where; null for the CPU.</param>
    public TrainingPair(TrainingKind kind, IReadOnlyList<EncodedSentence[]> batches, Device? device = null)
    {
        _batches = batches;
        _model = OurModel(kind);
        if (device is not null)
        {
            _model.to(device);
        }

        Ours = new(_model, batches, kind.Accumulation);
        _weights = _model.named_parameters().ToDictionary(pair => pair.name, pair => PlainOf(pair.parameter));
        Plain = new(PlainModel(kind, _weights), _weights, kind.Accumulation);
    }

    /// <summary>Our network.</summary>
    public DebertaV2ForTokenClassification Model => _model;

    /// <summary>Ours.</summary>
    public OurTrainer Ours { get; }

    /// <summary>The transcription.</summary>
    public PlainTrainer Plain { get; }

    /// <summary>Our network as this kind of training has it.</summary>
    public static DebertaV2ForTokenClassification OurModel(TrainingKind kind)
    {
        var model = Networks.Ours(kind.Config);
        if (kind.IsLora)
        {
            _ = LoraAdapters.Attach(model, new LoraSettings(), seed: 1);
            model.Engine.RecomputesActivations = true;
            using var quiet = no_grad();
            // B begins at zero, and A would have no gradient.
            foreach (var (name, parameter) in model.named_parameters().Where(pair => pair.name.EndsWith("lora_B", StringComparison.Ordinal)))
            {
                FormulaWeights.Fill(parameter, name);
            }
        }

        return model;
    }

    /// <summary>The transcription as this kind of training has it.</summary>
    public static PlainDeberta PlainModel(TrainingKind kind, IReadOnlyDictionary<string, Tensor> weights)
    {
        const string down = ".lora.lora_A";
        var lora = new LoraSettings();
        var adapters = weights.Keys.Where(name => name.EndsWith(down, StringComparison.Ordinal)).Select(name => name[..^down.Length])
            .ToDictionary(layer => layer, layer => new PlainLora(weights[layer + down], weights[layer + ".lora.lora_B"], lora.Scale, lora.Dropout ?? 0));
        return new(kind.Config, weights) { Adapters = adapters, UsesCheckpoints = kind.IsLora };
    }

    /// <summary>How much of its activations our network keeps when it may recompute them; see <see cref="EncoderEngine.ActivationBudget"/>.</summary>
    public long ActivationBudget
    {
        get => _model.Engine.ActivationBudget;
        set => _model.Engine.ActivationBudget = value;
    }

    /// <summary>Logits, loss and gradients of both on the first micro-batch, in words; then dropout is on.</summary>
    /// <param name="withHalf">Also in bfloat16.</param>
    public string Compare(bool withHalf = false)
    {
        var words = Agreement.OfTraining(_model, Plain.Model, _weights, _batches[0]);
        if (withHalf)
        {
            words += "; in bfloat16 " + Agreement.OfTraining(_model, Plain.Model, _weights, _batches[0], isHalf: true);
        }

        Plain.Model.IsTraining = true;
        return words;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        Ours.Dispose();
        Plain.Dispose();
        _model.Dispose();
        foreach (var weight in _weights.Values)
        {
            weight.Dispose();
        }
    }

    // Frozen weights may lie in one place for both.
    private static Tensor PlainOf(Tensor parameter) =>
        (parameter.requires_grad ? parameter.detach().clone().requires_grad_() : parameter.detach()).DetachFromDisposeScope();
}
