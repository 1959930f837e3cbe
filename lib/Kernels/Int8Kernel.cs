using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NotebookLib.Kernels;

/// <summary>
/// int8 rows with a scale each, from and to float32 or bfloat16, in one pass over memory. Weights are signed bytes; activations are q + zero in unsigned ones,
/// as the processors' products of bytes (VNNI) take unsigned times signed.
/// </summary>
internal static unsafe class Int8Kernel
{
    /// <summary>What stands for 0 in unsigned bytes: −127 to 127 on either side of it.</summary>
    public const int Zero = 128;

    /// <summary>The same for what GELU leaves, which is never below −0.17: −15 to 239, steps of half the size.</summary>
    public const int GeluZero = 16;

    // The sum of this and a float of some hundreds is rounded to a whole number, ties to even, which its lowest bits hold.
    private const float Rounder = 3 << 22;

    // Rows with a smaller scale count as zeros: its reciprocal might not be finite.
    private const float Tiny = 1e-36f;

    /// <summary>Restores rows: value = q · scale.</summary>
    /// <param name="from">[rows, columns].</param>
    /// <param name="scales">[rows].</param>
    /// <param name="to">[rows, columns] of the element type.</param>
    /// <param name="columns">A multiple of 16.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Behind the last row.</param>
    public static void Restore<T>(sbyte* from, float* scales, void* to, long columns, long start, long end)
        where T : IElement
    {
        for (var row = start; row < end; row++)
        {
            var scale = Vector512.Create(scales[row]);
            for (var i = row * columns; i < (row + 1) * columns; i += 16)
            {
                var shorts = Vector256.Create(Vector128.WidenLower(Vector128.Load(from + i)), Vector128.WidenUpper(Vector128.Load(from + i)));
                var ints = Vector512.Create(Vector256.WidenLower(shorts), Vector256.WidenUpper(shorts));
                T.Store(to, i, Vector512.ConvertToSingle(ints) * scale);
            }
        }
    }

    /// <summary>
    /// Quantises rows: scale = max |x| / 127 of the row, q = round(x / scale), kept as q + <see cref="Zero"/>. A row of zeros has scale 0; one that is not
    /// finite, a scale that is not.
    /// </summary>
    /// <param name="from">x, [rows, columns] of the element type.</param>
    /// <param name="to">[rows, columns].</param>
    /// <param name="scales">[rows].</param>
    /// <param name="columns">A multiple of 16.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Behind the last row.</param>
    public static void Quantise<T>(void* from, byte* to, float* scales, long columns, long start, long end)
        where T : IElement
    {
        for (var row = start; row < end; row++)
        {
            Vector512<int> largest = default;
            for (var i = row * columns; i < (row + 1) * columns; i += 16)
            {
                largest = Vector512.Max(largest, Vector512.Abs(T.Load(from, i)).AsInt32());
            }

            scales[row] = Quantise<T>(from, row * columns, to + (row * columns), columns, Maximum(largest) / (Zero - 1), Zero);
        }
    }

    /// <summary>Gives products of quantised rows and weights, columns already scaled, their row's scale and the bias.</summary>
    /// <param name="products">Σ q·w · (column's scale), [rows, columns] of the element type; y = products · scale + bias on return.</param>
    /// <param name="scales">Of the quantised rows, [rows].</param>
    /// <param name="bias">[columns], or null.</param>
    /// <param name="columns">A multiple of 16.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Behind the last row.</param>
    public static void Dequantise<T>(void* products, float* scales, float* bias, long columns, long start, long end)
        where T : IElement
    {
        for (var row = start; row < end; row++)
        {
            var scale = Vector512.Create(scales[row]);
            for (long c = 0; c < columns; c += 16)
            {
                T.Store(products, (row * columns) + c, Restored<T>(products, (row * columns) + c, scale, bias, c));
            }
        }
    }

    /// <summary>gelu(<see cref="Dequantise"/>), quantised anew; the values between the two are never written.</summary>
    /// <param name="products">Σ q·w · (column's scale), [rows, columns] of the element type.</param>
    /// <param name="scales">Of the quantised rows, [rows].</param>
    /// <param name="bias">[columns], or null.</param>
    /// <param name="to">Quantised gelu(y), q + <see cref="GeluZero"/>, [rows, columns].</param>
    /// <param name="toScales">[rows].</param>
    /// <param name="columns">A multiple of 16.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Behind the last row.</param>
    public static void DequantiseGelu<T>(void* products, float* scales, float* bias, byte* to, float* toScales, int columns, long start, long end)
        where T : IElement
    {
        var activated = Scratch.Rent(columns);
        for (var row = start; row < end; row++)
        {
            var scale = Vector512.Create(scales[row]);
            Vector512<int> largest = default, smallest = default;
            for (long c = 0; c < columns; c += 16)
            {
                var y = Restored<T>(products, (row * columns) + c, scale, bias, c);
                y *= GeluKernel.Distribution(y, out _);
                y.Store(activated + c);
                largest = Vector512.Max(largest, y.AsInt32());
                smallest = Vector512.Max(smallest, (-y).AsInt32());
            }

            toScales[row] = Quantise<Float32>(activated, 0, to + (row * columns), columns,
                MathF.Max(Maximum(largest) / (byte.MaxValue - GeluZero), Maximum(smallest) / (GeluZero - 1)), GeluZero);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Restored<T>(void* products, long index, Vector512<float> scale, float* bias, long column)
        where T : IElement =>
        Vector512.FusedMultiplyAdd(T.Load(products, index), scale, bias == null ? default : Vector512.Load(bias + column));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Quantise<T>(void* from, long first, byte* to, long columns, float scale, int zero)
        where T : IElement
    {
        var inverse = 1 / scale;
        // The comparison is false for what is no number: such a scale stays.
        if (scale < Tiny)
        {
            scale = inverse = 0;
        }

        Vector512<float> factor = Vector512.Create(inverse), rounder = Vector512.Create(Rounder + zero);
        for (long c = 0; c < columns; c += 16)
        {
            var bits = Vector512.FusedMultiplyAdd(T.Load(from, first + c), factor, rounder).AsUInt32();
            LowestBytes(bits).Store(to + c);
        }

        return scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> LowestBytes(Vector512<uint> words)
    {
        if (Avx512F.IsSupported)
        {
            return Avx512F.ConvertToVector128Byte(words);
        }

        var shorts = Vector256.Narrow(words.GetLower(), words.GetUpper());
        return Vector128.Narrow(shorts.GetLower(), shorts.GetUpper());
    }

    // Positive floats have the order of their bits as whole numbers, NaN is the largest of all, and what is negative is less than 0.
    private static float Maximum(Vector512<int> values)
    {
        var eight = Vector256.Max(values.GetLower(), values.GetUpper());
        var four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        return BitConverter.Int32BitsToSingle(Math.Max(Math.Max(four[0], four[1]), Math.Max(four[2], four[3])));
    }
}
