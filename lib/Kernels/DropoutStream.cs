using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// Dropout masks without state: whether an element is kept is a hash of (stream, element index). The backward pass asks again instead of storing the mask,
/// activation checkpointing replays it for free, threads need no order, and a checkpoint has to hold two numbers only.
/// </summary>
/// <remarks>
/// Mixing: the two-multiply 32-bit finaliser "lowbias32" (C. Wellons, hash-prospector) over the counter; two keys, before and between the products, so that
/// the masks of two streams are not rearrangements of each other.
/// </remarks>
internal readonly unsafe struct DropoutStream
{
    private readonly uint _key;
    private readonly uint _secondKey;
    private readonly uint _threshold;

    /// <summary>A stream of its own for one dropout layer of one forward pass.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="position">Number of this dropout among all of the run.</param>
    /// <param name="probability">Probability that an element becomes zero, in [0, 1).</param>
    public DropoutStream(ulong seed, ulong position, double probability)
    {
        // splitmix64: neighbouring positions must not give neighbouring keys.
        var z = seed + ((position + 1) * 0x9E3779B97F4A7C15UL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        z ^= z >> 31;
        (_key, _secondKey) = ((uint)z, (uint)(z >> 32));
        _threshold = ThresholdOf(probability);
        Scale = ScaleOf(probability);
    }

    /// <summary>Hashes below this are dropped.</summary>
    public static uint ThresholdOf(double probability) => (uint)(probability * 4294967296.0);

    /// <summary>1 / (1 − p).</summary>
    public static float ScaleOf(double probability) => (float)(1 / (1 - probability));

    /// <summary>1 / (1 − p), what a kept element is multiplied by.</summary>
    public float Scale { get; }

    /// <summary>The two keys and the threshold, for kernels on a device.</summary>
    public (uint Key, uint SecondKey, uint Threshold) Keys => (_key, _secondKey, _threshold);

    /// <summary>False when nothing is ever dropped.</summary>
    public bool IsActive => _threshold != 0;

    /// <summary>For elements index … index+15: <see cref="Scale"/> where kept, 0 where dropped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> Factors(long index)
    {
        var x = (Vector512.Create((uint)index) + Vector512<uint>.Indices) ^ Vector512.Create(_key);
        x ^= Vector512.ShiftRightLogical(x, 16);
        x *= Vector512.Create(0x7feb352du);
        x ^= Vector512.ShiftRightLogical(x, 15) ^ Vector512.Create(_secondKey);
        x *= Vector512.Create(0x846ca68bu);
        x ^= Vector512.ShiftRightLogical(x, 16);
        return Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(x, Vector512.Create(_threshold)).AsSingle(), Vector512.Create(Scale),
            Vector512<float>.Zero);
    }

    /// <summary>Writes the factors of the first elements.</summary>
    /// <param name="values">Room for <paramref name="count"/> of them.</param>
    /// <param name="count">How many.</param>
    public void Fill(float* values, long count)
    {
        var whole = count - (count % Vector512<float>.Count);
        for (long i = 0; i < whole; i += Vector512<float>.Count)
        {
            Factors(i).Store(values + i);
        }

        var rest = Factors(whole);
        for (var i = whole; i < count; i++)
        {
            values[i] = rest[(int)(i - whole)];
        }
    }
}
