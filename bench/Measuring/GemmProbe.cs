using System.Diagnostics;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Measuring;

/// <summary>
/// How fast this machine multiplies matrices right now: the yardstick that lets speeds of different machines, and of one machine at different hours, be
/// compared.
/// </summary>
internal static class GemmProbe
{
    /// <summary>Multiplies square matrices in bfloat16 through libtorch's linear layer (oneDNN) and takes the median.</summary>
    /// <param name="size">Rows and columns; 2048 is what the project's tables use.</param>
    /// <param name="repeats">How often, after one warm-up.</param>
    /// <param name="type">Element type; bfloat16 by default.</param>
    /// <param name="now">The clock, in seconds; null for the wall's.</param>
    /// <returns>GFLOP/s, two operations for each multiply-add.</returns>
    public static double Measure(int size = 2048, int repeats = 5, ScalarType type = ScalarType.BFloat16, Func<double>? now = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(repeats, 1);
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        now ??= () => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
        Tensor a = ones(size, size, type), b = ones(size, size, type);
        var seconds = new double[repeats];
        for (var i = -1; i < repeats; i++)
        {
            var start = now();
            nn.functional.linear(a, b).Dispose();
            seconds[Math.Max(i, 0)] = now() - start;
        }

        Array.Sort(seconds);
        return 2.0 * size * size * size / seconds[repeats / 2] / 1e9;
    }
}
