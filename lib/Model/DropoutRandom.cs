using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Makes dropout masks from a seed and a counter alone: mask n of seed s is always the same, whatever ran before, on any number of threads.
/// That lets a checkpoint continue bit for bit, and activation checkpointing replay a forward. libtorch's own generator is serial and cost 11 % of a
/// training step; this one hashes sixteen counters at a time.
/// </summary>
/// <remarks>
/// Each 32-bit hash of (seed, mask, element pair) decides two elements by 16 bits each: probabilities are rounded to 1/65,536 and the scale uses the
/// rounded one, so the expectation is exact. The mixer is "lowbias32" by Chris Wellons (hash-prospector), applied twice with keys between.
/// </remarks>
internal sealed class DropoutRandom(long seed)
{
    private const long PieceElements = 1 << 28;

    private int[]? _groups;
    private bool _isOnPositions;

    /// <summary>The seed; another gives other masks.</summary>
    public long Seed { get; set; } = seed;

    /// <summary>Number of masks made so far. Setting it back replays them.</summary>
    public long Counter { get; set; }

    /// <summary>Masks that one micro-batch of the pass takes; 0 outside <see cref="InGroups"/>.</summary>
    internal long GroupStep { get; private set; }

    /// <summary>
    /// The first stream of the layer that is running as modules; its dropouts draw by their place from there on, in any order, as often as asked.
    /// </summary>
    internal ulong LayerStart { get; set; }

    /// <summary>Until the result is disposed, projections are given relative rows.</summary>
    internal IDisposable OnPositions()
    {
        _isOnPositions = true;
        return new Platform.Ending(() => _isOnPositions = false);
    }

    /// <summary>
    /// A mask to multiply with in a layer: the one that the fused layers draw at this place, so that both give the same numbers up to rounding.
    /// </summary>
    /// <param name="place">Which of the layer's dropouts.</param>
    /// <param name="shape">The mask's shape; its elements are counted row by row.</param>
    /// <param name="probability">Share of zeros, at least 0 and below 1.</param>
    /// <param name="dtype">float32, float64, bfloat16 or float16.</param>
    /// <param name="device">Where the mask is made: the same values everywhere.</param>
    internal Tensor LayerMask(LayerStream place, long[] shape, double probability, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        var stream = new Kernels.DropoutStream((ulong)Seed, LayerStart + (ulong)(_isOnPositions ? place.OnPositions() : place), probability);
        var count = shape.Aggregate(1L, (product, side) => product * side);
        return MaskOf(stream, count, device).view(shape).to(dtype).to(device).MoveToOuterDisposeScope();
    }

    private static unsafe Tensor MaskOf(Kernels.DropoutStream stream, long count, Device device)
    {
        if (device.type == TorchSharp.DeviceType.CUDA && Kernels.Cuda.CudaProgram.Problem is null)
        {
            return Kernels.Cuda.DeviceMask.Make(Kernels.Cuda.CudaProgram.Instance, device, count, stream);
        }

        var mask = empty(count, ScalarType.Float32, CPU);
        stream.Fill(Fused.CpuMemory.Floats(mask), count);
        return mask;
    }

    /// <summary>Until the result is disposed, a pass holds several micro-batches: each draws what it would draw if they came one after another.</summary>
    /// <param name="rows">Rows of each micro-batch.</param>
    /// <param name="masks">Masks that one pass takes.</param>
    internal IDisposable InGroups(int[] rows, int masks)
    {
        var end = Counter + ((long)rows.Length * masks);
        (_groups, GroupStep) = (rows, masks);
        return new Platform.Ending(() => (_groups, GroupStep, Counter) = (null, 0, end));
    }

    /// <summary>A mask to multiply with: 0 with the given probability, else 1 / (1 − probability).</summary>
    /// <param name="shape">The mask's shape.</param>
    /// <param name="probability">Share of zeros, at least 0 and below 1.</param>
    /// <param name="dtype">float32, float64, bfloat16 or float16.</param>
    /// <param name="device">Where the mask is made: the same values everywhere.</param>
    public Tensor NextMask(long[] shape, double probability, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        var counter = Counter++;
        var mask = _groups is null
            ? MaskOf(counter, shape, probability, dtype, device)
            : cat([.. _groups.Select((rows, group) => MaskOf(counter + (group * GroupStep), [rows, .. shape[1..]], probability, dtype, device))]);
        return mask.MoveToOuterDisposeScope();
    }

    private Tensor MaskOf(long counter, long[] shape, double probability, ScalarType dtype, Device device)
    {
        var threshold = (uint)Math.Round(probability * 65_536);
        var scale = 1 / (1 - threshold / 65_536.0);
        var stream = Mix64((ulong)Seed * 0x9E3779B97F4A7C15UL + (ulong)counter);
        if (device.type == TorchSharp.DeviceType.CUDA && dtype != ScalarType.Float64 && shape.Aggregate(1L, (product, side) => product * side) <= PieceElements
            && Kernels.Cuda.CudaProgram.Problem is null)
        {
            var key = Mix64(stream);
            return Kernels.Cuda.DeviceMask.MakeOfHalves(Kernels.Cuda.CudaProgram.Instance, device, shape, (uint)key, (uint)(key >> 32), threshold,
                (float)scale).to(dtype);
        }

        var mask = dtype == ScalarType.Float64 ? FillDoubles(shape, stream, threshold, scale) : FillFloats(shape, stream, threshold, (float)scale);
        return mask.to(dtype).to(device);
    }

    private static Tensor FillFloats(long[] shape, ulong stream, uint threshold, float scale)
    {
        var mask = empty(shape, ScalarType.Float32, CPU);
        FillSpans(mask, stream, threshold, scale);
        return mask;
    }

    private static Tensor FillDoubles(long[] shape, ulong stream, uint threshold, double scale)
    {
        using var kept = FillFloats(shape, stream, threshold, 1);
        return kept.to(ScalarType.Float64).mul_(scale);
    }

    // A span holds 2 GB: larger masks are filled piece by piece, each from its place in the stream.
    private static void FillSpans(Tensor mask, ulong stream, uint threshold, float scale)
    {
        var flat = mask.view(-1);
        for (long start = 0; start < flat.numel(); start += PieceElements)
        {
            using var piece = flat.narrow(0, start, Math.Min(PieceElements, flat.numel() - start));
            Fill(MemoryMarshal.Cast<byte, float>(piece.bytes), Mix64(stream + (ulong)start), threshold, scale);
        }
    }

    /// <summary>Fills values; element i takes its 16 bits from the hash of counter i mod half, so that both halves are written in long runs.</summary>
    internal static void Fill(Span<float> values, ulong stream, uint threshold, float scale)
    {
        var (key1, key2) = ((uint)stream, (uint)(stream >> 32));
        var half = (values.Length + 1) / 2;
        var low = values[..half];
        var high = values[half..];
        var width = Vector<uint>.Count;
        var counters = Vector.CreateSequence(0u, 1u);
        var i = 0;
        for (; i <= high.Length - width; i += width)
        {
            var hash = Mix(counters, key1, key2);
            Decide(hash & new Vector<uint>(0xFFFF), threshold, scale).CopyTo(low[i..]);
            Decide(hash >>> 16, threshold, scale).CopyTo(high[i..]);
            counters += new Vector<uint>((uint)width);
        }

        for (; i < half; i++)
        {
            var hash = Mix(new Vector<uint>((uint)i), key1, key2)[0];
            low[i] = (hash & 0xFFFF) >= threshold ? scale : 0;
            if (i < high.Length)
            {
                high[i] = hash >> 16 >= threshold ? scale : 0;
            }
        }
    }

    private static Vector<float> Decide(Vector<uint> bits, uint threshold, float scale) =>
        Vector.ConditionalSelect(
            Vector.AsVectorSingle(Vector.GreaterThanOrEqual(bits, new Vector<uint>(threshold))), new Vector<float>(scale), Vector<float>.Zero);

    private static Vector<uint> Mix(Vector<uint> x, uint key1, uint key2) => LowBias(LowBias(x ^ new Vector<uint>(key1)) + new Vector<uint>(key2));

    private static Vector<uint> LowBias(Vector<uint> x)
    {
        x = (x ^ (x >>> 16)) * 0x7FEB352Du;
        x = (x ^ (x >>> 15)) * 0x846CA68Bu;
        return x ^ (x >>> 16);
    }

    // SplitMix64's finaliser (Steele, Lea and Flood 2014).
    private static ulong Mix64(ulong x)
    {
        x += 0x9E3779B97F4A7C15UL;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return x ^ (x >> 31);
    }
}
