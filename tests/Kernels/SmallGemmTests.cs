using NotebookLib.Kernels;

namespace NotebookLib.Tests.Kernels;

public unsafe class SmallGemmTests
{
    [Theory]
    [InlineData(1, 16, 1, false, false)]
    [InlineData(6, 32, 5, true, false)]
    [InlineData(13, 48, 27, false, true)]
    [InlineData(29, 80, 64, true, true)]
    public void Product_equals_the_definition_in_double(int m, int n, int k, bool transposedA, bool accumulate)
    {
        var random = new Random(7);
        float[] a = Values(random, m * k), b = Values(random, k * n), c = Values(random, m * n);
        var expected = new double[m * n];
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++)
            {
                var sum = accumulate ? c[(i * n) + j] : 0.0;
                for (var step = 0; step < k; step++)
                {
                    sum += (double)a[transposedA ? (step * m) + i : (i * k) + step] * b[(step * n) + j];
                }

                expected[(i * n) + j] = sum;
            }
        }

        fixed (float* pa = a, pb = b, pc = c)
        {
            SmallGemm.Multiply(m, n, k, pa, transposedA ? 1 : k, transposedA ? m : 1, pb, n, pc, n, accumulate);
        }

        Assert.All(c.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-5));
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
}
