using NotebookLib.Kernels;
using static TorchSharp.torch;
using BFloat16 = NotebookLib.Kernels.BFloat16;

namespace NotebookLib.Tests.Kernels;

public unsafe class ElementwiseKernelTests
{
    [Fact]
    public void Gelu_and_its_gradient_equal_libtorch_in_double()
    {
        using var scope = NewDisposeScope();
        var x = linspace(-12, 12, 4096, float32);
        var wide = x.to(float64).requires_grad_();
        var expected = nn.functional.gelu(wide);
        expected.sum().backward();
        Tensor output = empty_like(x), gradient = ones_like(x), sums = zeros(4096);

        fixed (byte* px = x.bytes, py = output.bytes, pg = gradient.bytes, ps = sums.bytes)
        {
            GeluKernel.Forward<Float32>(px, py, 0, 4096);
            GeluKernel.Backward<Float32>(px, pg, 4096, (float*)ps, 0, 1);
        }

        Assert.True((output - expected).abs().max().item<double>() < 1e-6);
        Assert.True((gradient - wide.grad!).abs().max().item<double>() < 1e-6);
        Assert.True((sums - gradient).abs().max().item<float>() == 0);
        Assert.True(x.equal(output).all().item<bool>(), "the way back leaves gelu(x) behind, to the bit");
    }

    [Fact]
    public void BFloat16_rounds_as_libtorch_does()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var values = cat([randn(4090) * 1e3, tensor([0f, -0f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 1e-40f])]);
        var expected = values.to(bfloat16);
        var actual = empty_like(expected);

        fixed (byte* from = values.bytes, to = actual.bytes)
        {
            for (var i = 0; i < 4096; i += 16)
            {
                BFloat16.Store(to, i, Float32.Load(from, i));
                Assert.Equal(BFloat16.LoadOne(to, i + 3), BFloat16.Load(to, i)[3]);
            }
        }

        Assert.True(actual.to(float32).allclose(expected.to(float32), rtol: 0, atol: 0, equal_nan: true));
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    public void Dropout_keeps_its_share_and_streams_differ(double probability)
    {
        const int count = 1 << 18;
        bool[] Kept(ulong position)
        {
            var stream = new DropoutStream(42, position, probability);
            var kept = new bool[count];
            for (var i = 0; i < count; i += 16)
            {
                var factors = stream.Factors(i);
                for (var j = 0; j < 16; j++)
                {
                    Assert.True(factors[j] == 0 || factors[j] == stream.Scale);
                    kept[i + j] = factors[j] != 0;
                }
            }

            return kept;
        }

        bool[] first = Kept(0), again = Kept(0), second = Kept(1);

        Assert.Equal(first, again);
        // Five standard deviations of a fair draw.
        var tolerance = 5 * Math.Sqrt(probability * (1 - probability) / count);
        Assert.Equal(1 - probability, first.Count(kept => kept) / (double)count, tolerance);
        Assert.Equal((1 - probability) * (1 - probability), first.Zip(second).Count(pair => pair.First && pair.Second) / (double)count, 2 * tolerance);
        Assert.Equal((1 - probability) * (1 - probability), first.Skip(1).Zip(first).Count(pair => pair.First && pair.Second) / (double)count, 2 * tolerance);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Adding_up_equals_libtorch(bool isHalf)
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var values = randn(1005).to(isHalf ? ScalarType.BFloat16 : ScalarType.Float32);
        var sum = randn(1005);
        var expected = sum + values;

        fixed (byte* to = sum.bytes, from = values.bytes)
        {
            if (isHalf)
            {
                SumKernel.Add<BFloat16>((float*)to, from, 0, 1005);
            }
            else
            {
                SumKernel.Add<Float32>((float*)to, from, 0, 1005);
            }
        }

        Assert.True(sum.eq(expected).all().item<bool>());
    }

    // One part is also what every number of parts is on one core.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(9)]
    public void Parts_that_throw_reach_the_caller_and_the_others_still_run(int parts)
    {
        var ran = 0;

        var error = Assert.Throws<AggregateException>(() => ThreadTeam.Run(parts, part =>
        {
            Interlocked.Increment(ref ran);
            if (part % 2 == 0)
            {
                throw new InvalidOperationException($"part {part}");
            }
        }));

        Assert.Equal(parts, ran);
        Assert.Equal(Enumerable.Range(0, parts).Where(part => part % 2 == 0).Select(part => $"part {part}"),
            error.InnerExceptions.Select(inner => inner.Message).Order());
    }
}
