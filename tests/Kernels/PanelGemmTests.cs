using NotebookLib.Kernels;

namespace NotebookLib.Tests.Kernels;

public unsafe class PanelGemmTests
{
    [Theory]
    [InlineData(1, 16, 1, false, false, false)]
    [InlineData(13, 48, 27, false, true, false)]
    [InlineData(97, 128, 300, true, false, true)]
    [InlineData(200, 80, 513, true, true, true)]
    public void Product_equals_the_definition_in_double(int m, int n, int k, bool transposedA, bool transposedB, bool accumulate)
    {
        var random = new Random(7);
        float[] a = Values(random, m * k), b = Values(random, k * n), bias = Values(random, n), c = Values(random, m * n);
        var expected = new double[m * n];
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++)
            {
                double sum = accumulate ? c[(i * n) + j] : bias[j];
                for (var step = 0; step < k; step++)
                {
                    sum += (double)a[transposedA ? (step * m) + i : (i * k) + step] * b[transposedB ? (j * k) + step : (step * n) + j];
                }

                expected[(i * n) + j] = sum;
            }
        }

        fixed (float* pa = a, pb = b, pBias = bias, pc = c)
        {
            PanelGemm.Multiply(m, n, k, transposedA ? new((nint)pa, 1, m) : new((nint)pa, k, 1), transposedB ? new((nint)pb, 1, k) : new((nint)pb, n, 1),
                accumulate ? null : pBias, pc, accumulate);
        }

        Assert.All(c.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-4));
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
}
