using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// Products of a small network's layers, some hundred rows by some hundred columns: C (+)= A · B in float32 on libtorch's threads. oneDNN compiles a kernel for
/// each new number of rows, and ragged batches have a new one each time: that takes as long as such a product itself.
/// </summary>
/// <remarks>
/// Each part packs a panel of B, as wide as two vectors and so deep that it stays in a first-level cache, and multiplies rows of A with it; every element is
/// one sum in one order, whatever the number of threads.
/// </remarks>
internal static unsafe class PanelGemm
{
    private const int PanelWidth = 2 * SmallGemm.Lane;
    private const int PanelDepth = 256;
    private const int LeastRows = 48;

    // Above this oneDNN's kernels are worth their compilation.
    private const long MostWeights = 1 << 16;

    /// <summary>Whether a product with a weight of so many elements is faster here than by a library: with vectors of 512 bits alone.</summary>
    public static bool Takes(long weights) => weights <= MostWeights && Vector512.IsHardwareAccelerated;

    /// <summary>A matrix in place: element (i, j) lies at i · <paramref name="Row"/> + j · <paramref name="Column"/>.</summary>
    /// <param name="Data">Its first element.</param>
    /// <param name="Row">Floats from one row to the next.</param>
    /// <param name="Column">Floats from one column to the next.</param>
    internal readonly record struct Matrix(nint Data, int Row, int Column)
    {
        /// <summary>The address of an element.</summary>
        public float* At(int i, int j) => (float*)Data + ((long)i * Row) + ((long)j * Column);

        /// <summary>The same elements, rows as columns.</summary>
        public Matrix Transposed => new(Data, Column, Row);
    }

    /// <summary>C = A · B + bias, or C += A · B.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="n">Columns of B and C, a multiple of <see cref="SmallGemm.Lane"/>.</param>
    /// <param name="k">Columns of A, rows of B.</param>
    /// <param name="a">A, [m, k].</param>
    /// <param name="b">B, [k, n].</param>
    /// <param name="bias">[n], or null.</param>
    /// <param name="c">C, [m, n], row after row.</param>
    /// <param name="accumulate">True adds to C; there is no bias then.</param>
    public static void Multiply(int m, int n, int k, Matrix a, Matrix b, float* bias, float* c, bool accumulate)
    {
        var panels = (n + PanelWidth - 1) / PanelWidth;
        var chunks = Math.Max(1, Math.Min(2 * ThreadTeam.Size / panels, m / LeastRows));
        var rows = (m + chunks - 1) / chunks;
        ThreadTeam.Run(panels * chunks, part =>
        {
            int column = part % panels * PanelWidth, width = Math.Min(PanelWidth, n - column);
            int first = part / panels * rows, count = Math.Min(rows, m - first);
            var own = c + ((long)first * n) + column;
            if (bias is not null)
            {
                Fill(own, n, count, bias + column, width);
            }

            var panel = Scratch.Rent(PanelDepth * PanelWidth);
            for (var step = 0; step < k; step += PanelDepth)
            {
                var depth = Math.Min(PanelDepth, k - step);
                Pack(b, step, depth, column, width, panel);
                SmallGemm.Multiply(count, width, depth, a.At(first, step), a.Row, a.Column, panel, width, own, n, accumulate || bias is not null || step > 0);
            }
        });
    }

    private static void Fill(float* c, int stride, int rows, float* bias, int width)
    {
        for (var row = 0; row < rows; row++, c += stride)
        {
            for (var i = 0; i < width; i += SmallGemm.Lane)
            {
                Vector512.Store(Vector512.Load(bias + i), c + i);
            }
        }
    }

    private static void Pack(Matrix b, int step, int depth, int column, int width, float* panel)
    {
        if (b.Column == 1)
        {
            for (var i = 0; i < depth; i++, panel += width)
            {
                var row = b.At(step + i, column);
                for (var j = 0; j < width; j += SmallGemm.Lane)
                {
                    Vector512.Store(Vector512.Load(row + j), panel + j);
                }
            }

            return;
        }

        for (var j = 0; j < width; j++)
        {
            var from = b.At(step, column + j);
            for (var i = 0; i < depth; i++, from += b.Row)
            {
                panel[(i * width) + j] = *from;
            }
        }
    }
}
