using NotebookLib.Batching;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Reference;

/// <summary>
/// transformers 4.35.2 trainer.py, the body of _inner_training_loop and training_step: forward under autocast, loss / accumulation, backward; then clip,
/// update, zero.
/// </summary>
internal sealed class PlainTrainer : IDisposable
{
    private readonly PlainAdamW _optimiser;
    private readonly int _accumulation;

    /// <summary>Prepares the training of weights that require a gradient.</summary>
    /// <param name="model">The network.</param>
    /// <param name="weights">Its parameters, adapters included.</param>
    /// <param name="accumulation">Micro-batches per update.</param>
    public PlainTrainer(PlainDeberta model, IReadOnlyDictionary<string, Tensor> weights, int accumulation)
    {
        Model = model;
        _accumulation = accumulation;
        // trainer.py create_optimizer: LayerNorms and biases do not decay.
        var groups = weights.Where(pair => pair.Value.requires_grad).ToLookup(
            pair => !pair.Key.Contains("bias", StringComparison.Ordinal) && !pair.Key.Contains("LayerNorm", StringComparison.Ordinal), pair => pair.Value);
        _optimiser = new([.. groups[true]], [.. groups[false]], learningRate: 5e-5, weightDecay: 0.01);
    }

    /// <summary>The network.</summary>
    public PlainDeberta Model { get; }

    /// <summary>training_step.</summary>
    /// <param name="rows">The micro-batch.</param>
    /// <param name="isHalf">bf16 autocast instead of float32.</param>
    public void MicroBatch(IReadOnlyList<EncodedSentence> rows, bool isHalf)
    {
        using var scope = NewDisposeScope();
        using var batch = PaddedBatch.Pad(rows);
        var device = Model.Device;
        Tensor loss;
        using (isHalf ? Autocast.Enter(ScalarType.BFloat16, device.type) : null)
        {
            loss = PlainDeberta.Loss(Model.Run(batch.InputIds.to(device), batch.AttentionMask.to(device)).Logits, batch.Labels.to(device));
        }

        (loss / _accumulation).backward();
    }

    /// <summary>clip_grad_norm_, optimizer.step, zero_grad.</summary>
    public void Update()
    {
        _optimiser.ClipGradients(1);
        _optimiser.Step();
        _optimiser.ClearGradients();
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _optimiser.ClearGradients();
        _optimiser.Dispose();
    }
}
