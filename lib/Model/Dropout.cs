using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>
/// Dropout (transformers 4.35.2 StableDropout, in its effect): in training each value is zeroed with the given probability and the others scaled up;
/// in evaluation nothing happens. Masks come from the network's <see cref="DropoutRandom"/>.
/// </summary>
internal sealed class Dropout : Module<Tensor, Tensor>
{
    private readonly double _probability;
    private readonly DropoutRandom _random;
    private readonly LayerStream? _place;

    /// <summary>Makes a dropout.</summary>
    /// <param name="probability">Share of zeros, at least 0 and below 1.</param>
    /// <param name="random">Where masks come from.</param>
    /// <param name="place">Its place in a layer of the encoder, whose masks are those of the fused layers; null elsewhere.</param>
    internal Dropout(double probability, DropoutRandom random, LayerStream? place = null)
        : base(nameof(Dropout))
    {
        _probability = probability;
        _random = random;
        _place = place;
    }

    /// <summary>1 where a pass takes a mask, else 0.</summary>
    internal int MasksPerPass => IsActive ? 1 : 0;

    private bool IsActive => training && _probability > 0;

    /// <summary>Drops values.</summary>
    /// <returns>The input itself, under another handle, or a masked copy of the same shape and dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        return IsActive ? input * NextMask(input) : input.alias();
    }

    /// <summary>residual + dropout(x): what follows every block, in one pass over memory.</summary>
    /// <param name="residual">Same shape as <paramref name="input"/>.</param>
    /// <param name="input">What is dropped.</param>
    public Tensor AddTo(Tensor residual, Tensor input) => IsActive ? addcmul(residual, input, NextMask(input), 1) : residual + input;

    /// <summary>Drops attention weights.</summary>
    /// <param name="weights_GLL">By head, then sentence, [H·B, L, L].</param>
    /// <param name="layout">Where the sentences' own weights lie in that grid: masks are drawn for them alone.</param>
    internal Tensor OnScores(Tensor weights_GLL, BatchLayout layout)
    {
        if (!IsActive)
        {
            return weights_GLL.alias();
        }

        var heads = weights_GLL.shape[0] / layout.Batch;
        using var mask_HS = _random.LayerMask(_place!.Value, [heads, layout.Shape.ScoresPerHead], _probability, weights_GLL.dtype, weights_GLL.device);
        using var mask_GLL = layout.ScoresToGrid(mask_HS);
        return weights_GLL * mask_GLL;
    }

    private Tensor NextMask(Tensor input) => _place is { } place
        ? _random.LayerMask(place, input.shape, _probability, input.dtype, input.device)
        : _random.NextMask(input.shape, _probability, input.dtype, input.device);
}
