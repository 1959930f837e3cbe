using NotebookLib.Batching;
using static TorchSharp.torch;

namespace NotebookLib.Training;

// Shapes: N pieces of all sentences, K labels, G micro-batches.

/// <summary>
/// The training loss over labelled pieces: Σ w(y) (1 − p(y))^γ · −ln p(y), divided by Σ w(y). With equal weights and γ = 0 it is mean cross-entropy.
/// Focal loss: Lin et al. 2017, eq. 5, with the class weights as α.
/// </summary>
internal sealed class LossFunction : IDisposable
{
    private readonly IReadOnlyList<double>? _classWeights;
    private readonly double _focalGamma;
    private readonly Tensor? _weights_K;

    /// <summary>Makes the loss of some settings.</summary>
    /// <param name="settings">Class weights and focal exponent are read.</param>
    /// <param name="device">Where the logits will be.</param>
    public LossFunction(TrainingSettings settings, Device device)
    {
        _classWeights = settings.ClassWeights;
        _focalGamma = settings.FocalGamma;
        _weights_K = _classWeights is null ? null : tensor(_classWeights.Select(weight => (float)weight).ToArray(), device: device).DetachFromDisposeScope();
    }

    /// <summary>What a row adds to the divisor: its labelled pieces, each with its class weight.</summary>
    /// <param name="labels">Labels of the row's pieces, [L].</param>
    public double WeightOf(ReadOnlySpan<int> labels)
    {
        var weight = 0.0;
        foreach (var label in labels)
        {
            weight += label == Batch.IgnoredLabel ? 0 : _classWeights is null ? 1 : _classWeights[label];
        }

        return weight;
    }

    /// <summary>The losses of micro-batches whose pieces lie one after another.</summary>
    /// <param name="logits_NK">[N, K], any float type; half-width ones are widened to float32 first (a bfloat16 sum over pieces would lose digits).</param>
    /// <param name="labels_N">[N], int64, −100 where nothing counts.</param>
    /// <param name="pieces">Pieces of each micro-batch, [G]; together N.</param>
    /// <param name="divisors">What each micro-batch's sum is divided by, [G]: Σ w(y) over itself, for its mean, or over the whole update.</param>
    /// <returns>[G]. Where a divisor is 0 the loss is NaN, and its gradient 0 without a focal exponent, as in torch.</returns>
    public Tensor Compute(Tensor logits_NK, Tensor labels_N, IReadOnlyList<int> pieces, IReadOnlyList<double> divisors)
    {
        using var scope = NewDisposeScope();
        using var part = Platform.StepClock.Part("loss");
        var wide_NK = logits_NK.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? logits_NK.to(ScalarType.Float32) : logits_NK;
        var losses_N = _focalGamma == 0
            ? nn.functional.cross_entropy(wide_NK, labels_N, _weights_K, Batch.IgnoredLabel, nn.Reduction.None) : FocalLosses(wide_NK, labels_N);
        var sums_G = pieces.Count == 1
            ? losses_N.sum(0, keepdim: true) : stack([.. losses_N.split([.. pieces.Select(count => (long)count)]).Select(losses => losses.sum())]);
        using var divisors_G = Platform.DeviceMemory.Send(tensor(divisors.Select(divisor => (float)divisor).ToArray()), logits_NK.device);
        return (sums_G / divisors_G).MoveToOuterDisposeScope();
    }

    /// <inheritdoc />
    public void Dispose() => _weights_K?.Dispose();

    private Tensor FocalLosses(Tensor logits_NK, Tensor labels_N)
    {
        var counts_N = labels_N.ne(Batch.IgnoredLabel);
        var known_N = labels_N.clamp_min(0);
        var logProbability_N = nn.functional.log_softmax(logits_NK, -1).gather(-1, known_N.unsqueeze(-1)).squeeze(-1);
        var weight_N = _weights_K is null ? counts_N.to(ScalarType.Float32) : _weights_K.index_select(0, known_N) * counts_N;
        // 1 - p without cancellation; kept off 0, where the power's slope is infinite for γ < 1.
        var rest_N = (-logProbability_N.expm1()).clamp_min(1e-12);
        return weight_N * rest_N.pow(_focalGamma) * -logProbability_N;
    }
}
