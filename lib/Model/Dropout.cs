using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>
/// Dropout (transformers 4.35.2 StableDropout, in its effect): in training each value is zeroed with the given probability and the others scaled up;
/// in evaluation nothing happens. Masks come from the network's <see cref="DropoutRandom"/>.
/// </summary>
public sealed class Dropout : Module<Tensor, Tensor>
{
    private readonly double _probability;
    private readonly DropoutRandom _random;

    /// <summary>Makes a dropout.</summary>
    /// <param name="probability">Share of zeros, at least 0 and below 1.</param>
    /// <param name="random">Where masks come from.</param>
    public Dropout(double probability, DropoutRandom random)
        : base(nameof(Dropout))
    {
        _probability = probability;
        _random = random;
    }

    /// <summary>1 where a pass takes a mask, else 0.</summary>
    internal int MasksPerPass => IsActive ? 1 : 0;

    private bool IsActive => training && _probability > 0;

    /// <summary>Drops values.</summary>
    /// <returns>The input itself, under another handle, or a masked copy of the same shape and dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return IsActive ? input * NextMask(input) : input.alias();
    }

    /// <summary>residual + dropout(x): what follows every block, in one pass over memory.</summary>
    /// <param name="residual">Same shape as <paramref name="input"/>.</param>
    /// <param name="input">What is dropped.</param>
    public Tensor AddTo(Tensor residual, Tensor input) => IsActive ? addcmul(residual, input, NextMask(input), 1) : residual + input;

    private Tensor NextMask(Tensor input) => _random.NextMask(input.shape, _probability, input.dtype, input.device);
}
