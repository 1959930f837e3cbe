using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NotebookLib.Kernels;

/// <summary>
/// How a kernel reads and writes activations: always float32 in registers, float32 or bfloat16 in memory. The JIT makes one machine loop per type.
/// </summary>
internal unsafe interface IElement
{
    /// <summary>Bytes of one element.</summary>
    static abstract int Size { get; }

    /// <summary>Reads 16 elements from element <paramref name="index"/> on.</summary>
    static abstract Vector512<float> Load(void* data, long index);

    /// <summary>Writes 16 elements from element <paramref name="index"/> on, rounding to nearest even.</summary>
    static abstract void Store(void* data, long index, Vector512<float> value);

    /// <summary>Reads one element.</summary>
    static abstract float LoadOne(void* data, long index);

    /// <summary>Writes one element.</summary>
    static abstract void StoreOne(void* data, long index, float value);
}

/// <summary>IEEE 754 single precision.</summary>
internal readonly unsafe struct Float32 : IElement
{
    public static int Size => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(void* data, long index) => Vector512.Load((float*)data + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(void* data, long index, Vector512<float> value) => value.Store((float*)data + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadOne(void* data, long index) => ((float*)data)[index];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreOne(void* data, long index, float value) => ((float*)data)[index] = value;
}

/// <summary>bfloat16: the upper half of a single. NaN stays NaN because the rounding is skipped for it.</summary>
internal readonly unsafe struct BFloat16 : IElement
{
    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(void* data, long index)
    {
        var halves = Vector256.Load((ushort*)data + index);
        // One instruction where the general form takes four.
        var words = Avx512F.IsSupported
            ? Avx512F.ConvertToVector512UInt32(halves) : Vector512.Create(Vector256.WidenLower(halves), Vector256.WidenUpper(halves));
        return Vector512.ShiftLeft(words, 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(void* data, long index, Vector512<float> value)
    {
        var bits = value.AsUInt32();
        var even = Vector512.ShiftRightLogical(bits, 16) & Vector512<uint>.One;
        var rounded = Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), bits + even + Vector512.Create(0x7fffu),
            bits | Vector512.Create(0x400000u));
        var upper = Vector512.ShiftRightLogical(rounded, 16);
        var halves = Avx512F.IsSupported ? Avx512F.ConvertToVector256UInt16(upper) : Vector256.Narrow(upper.GetLower(), upper.GetUpper());
        halves.Store((ushort*)data + index);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadOne(void* data, long index) => BitConverter.UInt32BitsToSingle((uint)((ushort*)data)[index] << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreOne(void* data, long index, float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        ((ushort*)data)[index] = (ushort)((float.IsNaN(value) ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
    }
}
