using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// eˣ in float32 registers: 2ⁿ · eʳ with |r| ≤ ln 2 / 2. <see cref="Vector512.Exp(Vector512{float})"/> goes through float64 and takes three times as long.
/// </summary>
internal static class Exponential
{
    // Below, the result would not be normal: 0.
    private const float Lowest = -87.3f;
    private const float Highest = 88.3f;
    private const float Log2E = 1.44269504f;

    // ln 2 in two parts: the first has so few bits that n times it is exact.
    private const float Ln2Upper = 0.693359375f;
    private const float Ln2Lower = -2.12194440e-4f;

    // The sum of this and a number is rounded to a whole one, ties to even, which its low bits hold.
    private const float Rounder = 3 << 22;

    /// <summary>eˣ within 2 units in the last place; 0 below −87.3, e^88.3 above 88.3; NaN of NaN.</summary>
    /// <remarks>The polynomial of Cephes' expf (Moshier).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> x)
    {
        var bounded = Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512.Create(Highest)), Vector512.Create(Highest), x);
        var shifted = Vector512.FusedMultiplyAdd(bounded, Vector512.Create(Log2E), Vector512.Create(Rounder));
        var n = shifted - Vector512.Create(Rounder);
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Upper), bounded);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Lower), r);
        var p = Vector512.FusedMultiplyAdd(Vector512.Create(1.9875691500e-4f), r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r) + Vector512<float>.One;
        var power = Vector512.ShiftLeft(shifted.AsInt32() + Vector512.Create(127), 23).AsSingle();
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(Lowest)), Vector512<float>.Zero, p * power);
    }
}
