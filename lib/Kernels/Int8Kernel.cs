using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>int8 rows with a scale each → float32 or bfloat16, in one pass over memory.</summary>
internal static unsafe class Int8Kernel
{
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
}
