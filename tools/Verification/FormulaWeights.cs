using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NotebookRunner.Verification;

/// <summary>
/// Weights of real size without a file: value = f(name, index), the same in every language. For element i (row-major), in uint32 arithmetic that wraps:
/// x = (i + crc32(name)) · 2654435761; x ^= x &gt;&gt; 16; x *= 2246822519; x ^= x &gt;&gt; 13; u = x / 2³² · 2 − 1; value = 1 + 0.05u for LayerNorm weights,
/// 0.05u for biases, else 0.06u, rounded to float32.
/// </summary>
internal static class FormulaWeights
{
    /// <summary>Fills a parameter with its formula values.</summary>
    /// <param name="parameter">float32 on the CPU, contiguous, below 2 GB.</param>
    /// <param name="name">The parameter's name in the checkpoint.</param>
    public static void Fill(Tensor parameter, string name)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentNullException.ThrowIfNull(name);
        var start = System.IO.Hashing.Crc32.HashToUInt32(System.Text.Encoding.UTF8.GetBytes(name));
        var (offset, scale) = name.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? (1.0, 0.05)
            : name.EndsWith("bias", StringComparison.Ordinal) ? (0.0, 0.05) : (0.0, 0.06);
        var count = checked((int)parameter.numel());
        Parallel.ForEach(Partitioner.Create(0, count), range =>
        {
            var values = MemoryMarshal.Cast<byte, float>(parameter.bytes);
            for (var i = range.Item1; i < range.Item2; i++)
            {
                var x = unchecked(((uint)i + start) * 2654435761u);
                x ^= x >> 16;
                x = unchecked(x * 2246822519u);
                x ^= x >> 13;
                values[i] = (float)(offset + (scale * ((x / 4294967296.0 * 2) - 1)));
            }
        });
    }
}
