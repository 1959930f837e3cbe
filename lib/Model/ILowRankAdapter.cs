using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>What the fused layers has to know of an adapter on a projection: y += scale · B(A(dropout(x))) (LoRA, Hu et al. 2021, §4.1).</summary>
internal interface ILowRankAdapter
{
    /// <summary>A, [rank, in].</summary>
    Tensor Down { get; }

    /// <summary>B, [out, rank].</summary>
    Tensor Up { get; }

    /// <summary>alpha / rank.</summary>
    double Scale { get; }

    /// <summary>Probability that an element of the adapter's input becomes zero in training.</summary>
    double DropoutProbability { get; }

    /// <summary>False when there is more to it, magnitudes or a bias: such an adapter runs as a module.</summary>
    bool IsPlain => true;
}
