using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NotebookLib.Kernels;

/// <summary>
/// int8 rows with a scale each, from and to float32 or bfloat16, in one pass over memory. Weights are signed bytes; activations are q + 128 in unsigned ones,
/// as the processors' products of bytes (VNNI) take unsigned times signed.
/// </summary>
internal static unsafe class Int8Kernel
{
    /// <summary>What stands for 0 in unsigned bytes.</summary>
    public const int Zero = 128;

    /// <summary>The largest |q|: symmetric, so that −q stands for −x.</summary>
    public const int Largest = 127;

    // The sum of this and a float q with |q| ≤ 127 is rounded to a whole number, ties to even, and has q + 128 in its lowest byte.
    private const float Rounder = (3 << 22) + Zero;

    // The smallest scale: that of rows whose largest value no network gives but by being 0.
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

    /// <summary>Quantises rows: scale = max |x| / 127 of the row, q = round(x / scale). A row of zeros has scale 0; one that is not finite, a scale that is
    /// not.</summary>
    /// <param name="from">x, [rows, columns] of the element type.</param>
    /// <param name="to">q + 128, [rows, columns].</param>
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
                largest = Vector512.Max(largest, Magnitude(T.Load(from, i)));
            }

            scales[row] = Quantise<T>(from, row * columns, to + (row * columns), columns, largest);
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
    /// <inheritdoc cref="Dequantise" path="/param"/>
    /// <param name="products">Σ q·w · (column's scale), [rows, columns] of the element type.</param>
    /// <param name="scales">Of the quantised rows, [rows].</param>
    /// <param name="bias">[columns], or null.</param>
    /// <param name="to">Quantised gelu(y), q + 128, [rows, columns].</param>
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
            Vector512<int> largest = default;
            for (long c = 0; c < columns; c += 16)
            {
                var y = Restored<T>(products, (row * columns) + c, scale, bias, c);
                y *= GeluKernel.Distribution(y, out _);
                y.Store(activated + c);
                largest = Vector512.Max(largest, Magnitude(y));
            }

            toScales[row] = Quantise<Float32>(activated, 0, to + (row * columns), columns, largest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Restored<T>(void* products, long index, Vector512<float> scale, float* bias, long column)
        where T : IElement =>
        Vector512.FusedMultiplyAdd(T.Load(products, index), scale, bias == null ? default : Vector512.Load(bias + column));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Quantise<T>(void* from, long first, byte* to, long columns, Vector512<int> largest)
        where T : IElement
    {
        var scale = Maximum(largest) / Largest;
        var inverse = 1 / scale;
        // A reciprocal would not be finite; a comparison with what is no number is false, and such a scale stays.
        if (scale < Tiny)
        {
            scale = inverse = 0;
        }

        var factor = Vector512.Create(inverse);
        for (long c = 0; c < columns; c += 16)
        {
            var bits = Vector512.FusedMultiplyAdd(T.Load(from, first + c), factor, Vector512.Create(Rounder)).AsUInt32();
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

    // |x| as whole numbers: they have the order of the floats, and NaN is the largest of all.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Magnitude(Vector512<float> x) => Vector512.Abs(x).AsInt32();

    private static float Maximum(Vector512<int> values)
    {
        var eight = Vector256.Max(values.GetLower(), values.GetUpper());
        var four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        return BitConverter.Int32BitsToSingle(Math.Max(Math.Max(four[0], four[1]), Math.Max(four[2], four[3])));
    }
}
