using NotebookLib.Batching;
using static TorchSharp.torch;

namespace NotebookLib.Training;

// Shapes: B batch, L length, K labels, N = B*L pieces.

/// <summary>
/// The training loss over labelled pieces: Σ w(y) (1 − p(y))^γ · −ln p(y), divided by Σ w(y). With equal weights and γ = 0 it is mean cross-entropy.
/// Focal loss: Lin et al. 2017, eq. 5, with the class weights as α.
/// </summary>
public sealed class LossFunction : IDisposable
{
    private readonly IReadOnlyList<double>? _classWeights;
    private readonly double _focalGamma;
    private readonly Tensor? _weights_K;

    /// <summary>Makes the loss of some settings.</summary>
    /// <param name="settings">Class weights and focal exponent are read.</param>
    /// <param name="device">Where the logits will be.</param>
    public LossFunction(TrainingSettings settings, Device device)
    {
        ArgumentNullException.ThrowIfNull(settings);
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

    /// <summary>The loss of a micro-batch.</summary>
    /// <param name="logits_BLK">[B, L, K], any float type; half-width ones are widened to float32 first (a bfloat16 sum over pieces would lose digits).</param>
    /// <param name="labels_BL">[B, L], int64, −100 where nothing counts.</param>
    /// <param name="divisor">Σ w(y) over the whole update, or null for this micro-batch's own.</param>
    /// <returns>Scalar. Without any labelled piece and divisor it is NaN, as in torch.</returns>
    public Tensor Compute(Tensor logits_BLK, Tensor labels_BL, double? divisor = null)
    {
        ArgumentNullException.ThrowIfNull(logits_BLK);
        ArgumentNullException.ThrowIfNull(labels_BL);
        using var scope = NewDisposeScope();
        using var part = Platform.StepClock.Part("loss");
        var wide_BLK = logits_BLK.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? logits_BLK.to(ScalarType.Float32) : logits_BLK;
        var logits_NK = wide_BLK.view(-1, logits_BLK.shape[^1]);
        var labels_N = labels_BL.reshape(-1);
        Tensor loss;
        if (_focalGamma == 0)
        {
            loss = nn.functional.cross_entropy(logits_NK, labels_N, _weights_K, Batch.IgnoredLabel, divisor is null ? nn.Reduction.Mean : nn.Reduction.Sum);
            loss = divisor is null ? loss : loss / divisor.Value;
        }
        else
        {
            var (sum, weight) = FocalSum(logits_NK, labels_N);
            loss = divisor is null ? sum / weight : sum / divisor.Value;
        }

        return loss.MoveToOuterDisposeScope();
    }

    /// <inheritdoc />
    public void Dispose() => _weights_K?.Dispose();

    private (Tensor Sum, Tensor Weight) FocalSum(Tensor logits_NK, Tensor labels_N)
    {
        var counts_N = labels_N.ne(Batch.IgnoredLabel);
        var known_N = labels_N.clamp_min(0);
        var logProbability_N = nn.functional.log_softmax(logits_NK, -1).gather(-1, known_N.unsqueeze(-1)).squeeze(-1);
        var weight_N = _weights_K is null ? counts_N.to(ScalarType.Float32) : _weights_K.index_select(0, known_N) * counts_N;
        // 1 - p without cancellation; kept off 0, where the power's slope is infinite for γ < 1.
        var rest_N = (-logProbability_N.expm1()).clamp_min(1e-12);
        return ((weight_N * rest_N.pow(_focalGamma) * -logProbability_N).sum(), weight_N.sum());
    }
}
