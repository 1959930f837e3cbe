using static TorchSharp.torch;

namespace NotebookLib.Bench.Reference;

/// <summary>
/// torch/optim/adamw.py, AdamW on the CPU (_single_tensor_adam, one operator after the other for each parameter), and torch.nn.utils.clip_grad_norm_: what the
/// Trainer of transformers 4.35.2 runs by default (optim="adamw_torch", max_grad_norm=1).
/// </summary>
/// <param name="decayed">Parameters with weight decay.</param>
/// <param name="undecayed">Biases and LayerNorm weights.</param>
/// <param name="learningRate">Step size.</param>
/// <param name="weightDecay">Decay per unit of learning rate.</param>
internal sealed class PlainAdamW(IReadOnlyList<Tensor> decayed, IReadOnlyList<Tensor> undecayed, double learningRate, double weightDecay) : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;
    private readonly Dictionary<Tensor, (Tensor First, Tensor Second)> _moments = new(ReferenceEqualityComparer.Instance);
    private int _updates;

    /// <summary>clip_grad_norm_ with the foreach form's arithmetic.</summary>
    public void ClipGradients(double maximumNorm)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var gradients = All.Select(parameter => parameter.grad).OfType<Tensor>().ToList();
        var norm = stack(gradients.Select(gradient => gradient.norm())).norm();
        var factor = (maximumNorm / (norm + 1e-6)).clamp_max(1);
        foreach (var gradient in gradients)
        {
            gradient.mul_(factor);
        }
    }

    /// <summary>optimizer.step()</summary>
    public void Step()
    {
        using var quiet = no_grad();
        _updates++;
        foreach (var parameter in decayed)
        {
            Update(parameter, weightDecay);
        }

        foreach (var parameter in undecayed)
        {
            Update(parameter, 0);
        }
    }

    /// <summary>model.zero_grad(), which sets to None.</summary>
    public void ClearGradients()
    {
        foreach (var parameter in All)
        {
            parameter.grad = null;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var (first, second) in _moments.Values)
        {
            first.Dispose();
            second.Dispose();
        }
    }

    private IEnumerable<Tensor> All => decayed.Concat(undecayed);

    private void Update(Tensor parameter, double decay)
    {
        using var scope = NewDisposeScope();
        if (parameter.grad is not { } gradient)
        {
            return;
        }

        if (!_moments.TryGetValue(parameter, out var moments))
        {
            _moments[parameter] = moments =
                (zeros_like(parameter, requires_grad: false).DetachFromDisposeScope(), zeros_like(parameter, requires_grad: false).DetachFromDisposeScope());
        }

        parameter.mul_(1 - (learningRate * decay));
        moments.First.lerp_(gradient, 1 - Beta1);
        moments.Second.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        var stepSize = learningRate / (1 - Math.Pow(Beta1, _updates));
        var denominator = (moments.Second.sqrt() / Math.Sqrt(1 - Math.Pow(Beta2, _updates))).add_(Epsilon);
        parameter.addcdiv_(moments.First, denominator, -stepSize);
    }
}
