using static TorchSharp.torch;

namespace NotebookLib.Kernels.Cuda;

/// <summary>Matrices of one shape and type, one after another in memory.</summary>
/// <param name="First">The first.</param>
/// <param name="Step">Elements from one to the next; 0 where all are the same.</param>
internal readonly record struct Matrices(Tensor First, long Step);

/// <summary>Matrix products of a device.</summary>
internal interface IDeviceProducts
{
    /// <summary>resultᵢ = aᵢ · bᵢᵀ (+ biasᵢ), or resultᵢ += aᵢ · bᵢᵀ, in one call.</summary>
    /// <param name="count">How many.</param>
    /// <param name="a">[M, K] each, rows or columns contiguous, float32, bfloat16 or float16.</param>
    /// <param name="b">[N, K] each, likewise, the same type.</param>
    /// <param name="bias">[N] each, the type of <paramref name="result"/>, or null.</param>
    /// <param name="result">[M, N] each, contiguous, float32 or the type of the operands.</param>
    /// <param name="accumulates">Whether the products are added to the results.</param>
    /// <returns>False where the device's library knows no way; nothing is done then.</returns>
    bool TryMultiply(int count, Matrices a, Matrices b, Matrices? bias, Matrices result, bool accumulates);
}
