using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>A layer whose output an adapter's is added to.</summary>
internal interface IAdaptedLayer
{
    /// <summary>The layer's own weight.</summary>
    Parameter Weight { get; }

    /// <summary>The attached adapter, or null.</summary>
    Module<Tensor, Tensor>? Adapter { get; }

    /// <summary>Adds an adapter.</summary>
    /// <exception cref="InvalidOperationException">The layer already carries one.</exception>
    void AttachAdapter(string name, Module<Tensor, Tensor> adapter);

    /// <summary>Takes the adapter off; the caller owns it then.</summary>
    Module<Tensor, Tensor>? DetachAdapter();

    /// <summary>Puts another weight in place.</summary>
    /// <param name="change">The weight in its own type → the new one; frozen.</param>
    ReplacedWeight ReplaceWeight(Func<Tensor, Tensor> change);
}

/// <summary>A weight that another one stands in for.</summary>
/// <param name="restore">Puts it back.</param>
/// <param name="kept">What is kept of it.</param>
internal sealed class ReplacedWeight(Action restore, IDisposable kept) : IDisposable
{
    /// <summary>Puts new values into a tensor.</summary>
    public static ReplacedWeight InPlace(Tensor tensor, Tensor values)
    {
        using var quiet = no_grad();
        var before = tensor.detach().clone().DetachFromDisposeScope();
        tensor.copy_(values);
        return new(
            () =>
            {
                using var noGradients = no_grad();
                tensor.copy_(before);
                before.Dispose();
            },
            before);
    }

    /// <summary>Puts it back, bit for bit; once.</summary>
    public void Restore() => restore();

    /// <inheritdoc />
    public void Dispose() => kept.Dispose();
}
