using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// Products of matrices with tens of rows, as attention over one sentence needs them: C (+)= A · B in float32, row-major, on the calling thread.
/// Library calls cost more than such a product itself. Column counts are padded by the caller to a multiple of <see cref="Lane"/>.
/// </summary>
internal static unsafe class SmallGemm
{
    /// <summary>Floats in one vector; row strides of B and C must be at least the column count rounded up to it.</summary>
    public const int Lane = 16;

    /// <summary>Rounds a column count up to whole vectors.</summary>
    public static int Padded(int columns) => (columns + Lane - 1) / Lane * Lane;

    /// <summary>C = A · B, or C += A · B.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="n">Columns of B and C, a multiple of <see cref="Lane"/>.</param>
    /// <param name="k">Columns of A, rows of B.</param>
    /// <param name="a">A, [m, k]; element (i, j) lies at i·<paramref name="lda"/> + j·<paramref name="stepA"/>, so a transposed A needs no copy.</param>
    /// <param name="lda">Floats from one row of A to the next.</param>
    /// <param name="stepA">Floats from one column of A to the next; 1 unless A is transposed.</param>
    /// <param name="b">B, [k, n], row stride <paramref name="ldb"/>.</param>
    /// <param name="ldb">Row stride of B in floats.</param>
    /// <param name="c">C, [m, n], row stride <paramref name="ldc"/>.</param>
    /// <param name="ldc">Row stride of C in floats.</param>
    /// <param name="accumulate">True adds to C, false overwrites it.</param>
    public static void Multiply(int m, int n, int k, float* a, int lda, int stepA, float* b, int ldb, float* c, int ldc, bool accumulate)
    {
        var column = 0;
        for (; column + (2 * Lane) <= n; column += 2 * Lane)
        {
            var row = 0;
            for (; row + 6 <= m; row += 6)
            {
                Block6x2(k, a + (row * lda), lda, stepA, b + column, ldb, c + (row * ldc) + column, ldc, accumulate);
            }

            for (; row + 2 <= m; row += 2)
            {
                Block2x2(k, a + (row * lda), lda, stepA, b + column, ldb, c + (row * ldc) + column, ldc, accumulate);
            }

            if (row < m)
            {
                Block1x2(k, a + (row * lda), stepA, b + column, ldb, c + (row * ldc) + column, accumulate);
            }
        }

        if (column < n)
        {
            var row = 0;
            for (; row + 6 <= m; row += 6)
            {
                Block6x1(k, a + (row * lda), lda, stepA, b + column, ldb, c + (row * ldc) + column, ldc, accumulate);
            }

            for (; row + 2 <= m; row += 2)
            {
                Block2x1(k, a + (row * lda), lda, stepA, b + column, ldb, c + (row * ldc) + column, ldc, accumulate);
            }

            if (row < m)
            {
                Block1x1(k, a + (row * lda), stepA, b + column, ldb, c + (row * ldc) + column, accumulate);
            }
        }
    }

    // Twelve accumulators live in registers; the compiler keeps them there only as separate locals.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block6x2(int k, float* a, int lda, int stepA, float* b, int ldb, float* c, int ldc, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector512<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        float* a1 = a + lda, a2 = a1 + lda, a3 = a2 + lda, a4 = a3 + lda, a5 = a4 + lda;
        for (int step = 0, i = 0; step < k; step++, i += stepA, b += ldb)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + Lane);
            var x = Vector512.Create(a[i]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            x = Vector512.Create(a1[i]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            x = Vector512.Create(a2[i]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            x = Vector512.Create(a3[i]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            x = Vector512.Create(a4[i]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
            x = Vector512.Create(a5[i]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
        }

        Store(c, c00, accumulate);
        Store(c + Lane, c01, accumulate);
        Store(c += ldc, c10, accumulate);
        Store(c + Lane, c11, accumulate);
        Store(c += ldc, c20, accumulate);
        Store(c + Lane, c21, accumulate);
        Store(c += ldc, c30, accumulate);
        Store(c + Lane, c31, accumulate);
        Store(c += ldc, c40, accumulate);
        Store(c + Lane, c41, accumulate);
        Store(c += ldc, c50, accumulate);
        Store(c + Lane, c51, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block6x1(int k, float* a, int lda, int stepA, float* b, int ldb, float* c, int ldc, bool accumulate)
    {
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default;
        float* a1 = a + lda, a2 = a1 + lda, a3 = a2 + lda, a4 = a3 + lda, a5 = a4 + lda;
        for (int step = 0, i = 0; step < k; step++, i += stepA, b += ldb)
        {
            var b0 = Vector512.Load(b);
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[i]), b0, c0);
            c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a1[i]), b0, c1);
            c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a2[i]), b0, c2);
            c3 = Vector512.FusedMultiplyAdd(Vector512.Create(a3[i]), b0, c3);
            c4 = Vector512.FusedMultiplyAdd(Vector512.Create(a4[i]), b0, c4);
            c5 = Vector512.FusedMultiplyAdd(Vector512.Create(a5[i]), b0, c5);
        }

        Store(c, c0, accumulate);
        Store(c += ldc, c1, accumulate);
        Store(c += ldc, c2, accumulate);
        Store(c += ldc, c3, accumulate);
        Store(c += ldc, c4, accumulate);
        Store(c + ldc, c5, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block2x2(int k, float* a, int lda, int stepA, float* b, int ldb, float* c, int ldc, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default;
        var a1 = a + lda;
        for (int step = 0, i = 0; step < k; step++, i += stepA, b += ldb)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + Lane);
            var x = Vector512.Create(a[i]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            x = Vector512.Create(a1[i]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
        }

        Store(c, c00, accumulate);
        Store(c + Lane, c01, accumulate);
        Store(c += ldc, c10, accumulate);
        Store(c + Lane, c11, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block2x1(int k, float* a, int lda, int stepA, float* b, int ldb, float* c, int ldc, bool accumulate)
    {
        Vector512<float> c0 = default, c1 = default;
        var a1 = a + lda;
        for (int step = 0, i = 0; step < k; step++, i += stepA, b += ldb)
        {
            var b0 = Vector512.Load(b);
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[i]), b0, c0);
            c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a1[i]), b0, c1);
        }

        Store(c, c0, accumulate);
        Store(c + ldc, c1, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block1x2(int k, float* a, int stepA, float* b, int ldb, float* c, bool accumulate)
    {
        Vector512<float> c0 = default, c1 = default;
        for (int step = 0, i = 0; step < k; step++, i += stepA, b += ldb)
        {
            var x = Vector512.Create(a[i]);
            c0 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b), c0);
            c1 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + Lane), c1);
        }

        Store(c, c0, accumulate);
        Store(c + Lane, c1, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block1x1(int k, float* a, int stepA, float* b, int ldb, float* c, bool accumulate)
    {
        Vector512<float> c0 = default;
        for (int step = 0, i = 0; step < k; step++, i += stepA, b += ldb)
        {
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[i]), Vector512.Load(b), c0);
        }

        Store(c, c0, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector512<float> value, bool accumulate) =>
        (accumulate ? value + Vector512.Load(c) : value).Store(c);
}
