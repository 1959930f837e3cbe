using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>GELU with the error function, gelu(x) = x · Φ(x) (Hendrycks and Gimpel 2016, eq. 1), and its gradient, in place where the caller wishes.</summary>
internal static unsafe class GeluKernel
{
    private const float InverseSqrt2 = 0.70710678118654752f;
    private const float InverseSqrt2Pi = 0.39894228040143268f;

    /// <summary>output[i] = gelu(input[i]) for start ≤ i &lt; end; both ends multiples of 16.</summary>
    public static void Forward<T>(void* input, void* output, long start, long end)
        where T : struct, IElement
    {
        for (var i = start; i < end; i += 16)
        {
            var x = T.Load(input, i);
            T.Store(output, i, x * Distribution(x, out _));
        }
    }

    /// <summary>gradient[i] ·= gelu'(input[i]) and adds the results to the column sums of an [N, columns] matrix, for whole rows start … end−1.</summary>
    /// <param name="input">x on entry, gelu(x) as <see cref="Forward"/> computes it on return, [N, columns].</param>
    /// <param name="gradient">∂L/∂gelu(x) on entry, ∂L/∂x on return, [N, columns].</param>
    /// <param name="columns">Columns, a multiple of 16.</param>
    /// <param name="sums">Column sums of ∂L/∂x are added here, [columns].</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Row after the last.</param>
    public static void Backward<T>(void* input, void* gradient, int columns, float* sums, int start, int end)
        where T : struct, IElement
    {
        for (var row = start; row < end; row++)
        {
            var offset = (long)row * columns;
            for (var c = 0; c < columns; c += 16)
            {
                var x = T.Load(input, offset + c);
                // gelu'(x) = Φ(x) + x φ(x), φ(x) = exp(−x²/2) / √(2π)
                var distribution = Distribution(x, out var bell);
                var slope = Vector512.FusedMultiplyAdd(x * Vector512.Create(InverseSqrt2Pi), bell, distribution);
                var lower = T.Load(gradient, offset + c) * slope;
                T.Store(gradient, offset + c, lower);
                T.Store(input, offset + c, x * distribution);
                (Vector512.Load(sums + c) + lower).Store(sums + c);
            }
        }
    }

    /// <summary>Φ(x) = (1 + erf(x/√2)) / 2; erf by Abramowitz and Stegun 7.1.26 (|error| ≤ 1.5e-7), the formula of libtorch's own vector code.</summary>
    /// <param name="x">Any numbers.</param>
    /// <param name="bell">exp(−x²/2).</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Distribution(Vector512<float> x, out Vector512<float> bell)
    {
        var z = Vector512.Abs(x) * Vector512.Create(InverseSqrt2);
        bell = Exponential.Of(-(z * z));
        var t = Vector512<float>.One / Vector512.FusedMultiplyAdd(Vector512.Create(0.3275911f), z, Vector512<float>.One);
        var r = Vector512.FusedMultiplyAdd(Vector512.Create(1.061405429f), t, Vector512.Create(-1.453152027f));
        r = Vector512.FusedMultiplyAdd(r, t, Vector512.Create(1.421413741f));
        r = Vector512.FusedMultiplyAdd(r, t, Vector512.Create(-0.284496736f));
        r = Vector512.FusedMultiplyAdd(r, t, Vector512.Create(0.254829592f));
        var half = Vector512.Create(0.5f) * (r * t * bell);
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), half, Vector512<float>.One - half);
    }
}
