using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// sum += values, in one pass over memory. libtorch's own addition of a bfloat16 tensor to a float32 one writes a widened copy first and reads it again.
/// </summary>
internal static unsafe class SumKernel
{
    /// <summary>Adds elements start … end−1.</summary>
    /// <param name="sum">float32, changed in place.</param>
    /// <param name="values">Element type T.</param>
    /// <param name="start">First element.</param>
    /// <param name="end">Element after the last.</param>
    public static void Add<T>(float* sum, void* values, long start, long end)
        where T : struct, IElement
    {
        var i = start;
        for (; i + 16 <= end; i += 16)
        {
            (Vector512.Load(sum + i) + T.Load(values, i)).Store(sum + i);
        }

        for (; i < end; i++)
        {
            sum[i] += T.LoadOne(values, i);
        }
    }
}
