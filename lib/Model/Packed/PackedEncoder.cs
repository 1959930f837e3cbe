using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>
/// The encoder's layers on packed rows. Padding is never computed, no autograd graph is built inside, and the parameters' gradients are added to
/// their own as they come up. Outside it looks like one differentiable function of the embedding rows and the relative rows.
/// </summary>
/// <param name="layers">First to last.</param>
/// <param name="gradients">Where the layers add their gradients up.</param>
/// <param name="operations">How and where the layers compute.</param>
internal sealed class PackedEncoder(IReadOnlyList<PackedLayer> layers, GradientBuffers gradients, LayerOperations operations)
{
    private int _keepers;
    private int _trainings;

    /// <summary>
    /// Bytes of activations that may wait for the backward pass, the last layers' first; what does not fit is computed anew there. Null keeps all.
    /// </summary>
    public long? ActivationBudget { get; set; }

    /// <summary>Runs the layers.</summary>
    /// <param name="embedded">Embedding rows, [N, C], float32.</param>
    /// <param name="relative">Relative rows that can occur, after their LayerNorm, [U, C], float32.</param>
    /// <param name="pass">What the layers share; its relative rows are replaced by <paramref name="relative"/>.</param>
    /// <param name="type">Element type of the matrix products: float32 or bfloat16.</param>
    /// <returns>The last layer's rows, [N, C], float32.</returns>
    public Tensor Forward(Tensor embedded, Tensor relative, PackedPass pass, ScalarType type)
    {
        if (_keepers == 0)
        {
            DropCopies();
        }

        // The anchor lets gradients reach the layers even when embeddings and relative rows are frozen (LoRA).
        using var anchor = zeros(1, requires_grad: true, device: operations.Device);
        var (trainsInputs, trainsRelative) = (embedded.requires_grad || relative.requires_grad, relative.requires_grad);
        var lowest = trainsInputs ? 0 : layers.TakeWhile(layer => !layer.Parameters.IsTrained).Count();
        var isTraining = is_grad_enabled() && (trainsInputs || lowest < layers.Count);
        ChoosePacking(isInference: !isTraining, type);
        // All before the first activation: made one by one in between, they would leave holes in the heap.
        if (isTraining && _trainings > 0)
        {
            gradients.Reserve(layers.SelectMany(layer => layer.Parameters.All));
        }

        if (_keepers > 0)
        {
            if (operations.KeepsCopies)
            {
                foreach (var layer in layers)
                {
                    PackedProjection.ReserveCopies(layer.Parameters.Projections, type);
                }
            }

            List<(Tensor Copy, Tensor Source)> stale = [];
            foreach (var projection in Projections)
            {
                projection.MakeCopies(type, stale);
            }

            Platform.TorchScriptOps.CopyAll([.. stale.Select(pair => pair.Copy)], [.. stale.Select(pair => pair.Source)]);
        }

        return isTraining
            ? PackedEncoderFunction.apply(embedded, relative, anchor, new PackedCall(this, pass, type, new(lowest, trainsInputs, trainsRelative)))
            : new PackedCall(this, pass, type, new(layers.Count, false, false)).Infer(embedded, relative);
    }

    /// <summary>
    /// Weights do not change until the result is disposed: copies in a narrower type are made once instead of in each pass.
    /// Used around the micro-batches of one update and around an evaluation.
    /// </summary>
    public IDisposable KeepCopies()
    {
        _keepers++;
        return new Keeper(() =>
        {
            _keepers--;
            DropCopies();
        });
    }

    /// <summary>
    /// Around a training: weights that are not trained do not change until the result is disposed. Their copies and the memory of all gradients stay from
    /// update to update.
    /// </summary>
    public IDisposable KeepForTraining()
    {
        _trainings++;
        return new Keeper(() =>
        {
            if (--_trainings == 0)
            {
                gradients.Release();
            }

            DropCopies();
        });
    }

    internal IReadOnlyList<PackedLayer> Layers => layers;

    private IEnumerable<PackedProjection> Projections => layers.SelectMany(layer => layer.Parameters.Projections);

    private void DropCopies()
    {
        foreach (var projection in Projections)
        {
            projection.DropCopies(keepsFrozen: _trainings > 0, keepsMemory: _trainings > 0 && operations.KeepsCopies);
        }
    }

    /// <summary>
    /// Rearranging a weight pays where it then serves many products and needs no second copy for the way back: in an evaluation, unless a training around it
    /// keeps a frozen weight's narrower copy anyway.
    /// </summary>
    private void ChoosePacking(bool isInference, ScalarType type)
    {
        foreach (var projection in Projections)
        {
            projection.UsesPackedWeight = operations.PacksWeights && _keepers > 0 && isInference
                && !(_trainings > 0 && projection.IsFrozen && type != ScalarType.Float32);
        }
    }

    private sealed class Keeper(Action release) : IDisposable
    {
        private Action? _release = release;

        public void Dispose()
        {
            _release?.Invoke();
            _release = null;
        }
    }
}
