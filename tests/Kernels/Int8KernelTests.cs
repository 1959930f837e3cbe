using NotebookLib.Kernels;
using NotebookLib.Model;
using NotebookLib.Model.Fused;
using NotebookLib.Platform;
using static TorchSharp.torch;
using BFloat16 = NotebookLib.Kernels.BFloat16;

namespace NotebookLib.Tests.Kernels;

/// <summary>Rows in int8 and their products against plain arithmetic.</summary>
public sealed unsafe class Int8KernelTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(16)]
    [InlineData(48)]
    [InlineData(768)]
    public void Quantised_rows_are_the_nearest_whole_numbers(int columns)
    {
        using var generator = new Generator(5);
        var x = randn([7, columns], generator: generator) * tensor([1e-20f, 1e-3f, 1, 37, 1e6f, 1e30f, 2]).unsqueeze(1);
        x[6] = zeros(columns);
        x[5][3] = -3e38f;

        var (values, scales) = Quantise<Float32>(x);

        for (var row = 0; row < 7; row++)
        {
            var numbers = x[row].data<float>().ToArray();
            var largest = numbers.Max(MathF.Abs);
            Assert.Equal(largest / 127, scales[row], largest * 1e-8f);
            for (var c = 0; c < columns; c++)
            {
                var exact = largest == 0 ? 0 : numbers[c] / (double)scales[row];
                // A tie may fall to either side by the rounding of the quotient.
                Assert.InRange(values[row, c] - 128 - exact, -0.50001, 0.50001);
            }
        }
    }

    [Fact]
    public void The_largest_of_a_row_is_127_with_its_sign_and_a_bfloat16_row_gives_what_it_gives_in_float32()
    {
        using var generator = new Generator(6);
        var x = randn([5, 64], generator: generator).to(bfloat16);
        x[0] = -x[0].abs();
        x[1] = x[1].abs();

        var (half, halfScales) = Quantise<BFloat16>(x);
        var (single, singleScales) = Quantise<Float32>(x.to(float32));

        Assert.Equal(single, half);
        Assert.Equal(singleScales, halfScales);
        var all = Enumerable.Range(0, 5).Select(row => Enumerable.Range(0, 64).Select(c => half[row, c] - 128).ToArray()).ToArray();
        Assert.All(all, row => Assert.Equal(127, row.Max(Math.Abs)));
        Assert.Equal(-127, all[0].Min());
        Assert.Equal(127, all[1].Max());
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_row_that_is_not_finite_says_so_by_its_scale_and_leaves_its_neighbours_alone(float value)
    {
        var x = ones(3, 32);
        x[1][17] = value;

        var (values, scales) = Quantise<Float32>(x);

        Assert.False(float.IsFinite(scales[1]));
        Assert.Equal([1 / 127f, 1 / 127f], [scales[0], scales[2]]);
        Assert.Equal(255, values[2, 31]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Products_get_scale_and_bias_and_through_gelu_are_quantised_anew(bool hasBias)
    {
        const int rows = 9, columns = 80;
        using var generator = new Generator(7);
        Tensor products = randn([rows, columns], generator: generator) * 50, scales = rand(rows, generator: generator) * 0.1f;
        var bias = randn(columns, generator: generator);
        var expected = (products.to(float64) * scales.to(float64).unsqueeze(1)) + (hasBias ? bias.to(float64) : zeros(columns, float64));
        var activated = nn.functional.gelu(expected);
        Tensor plain = products.clone(), half = products.to(bfloat16), gelu = empty([rows, columns], uint8), geluScales = empty(rows);

        var by = hasBias ? CpuMemory.Floats(bias) : null;
        Int8Kernel.DequantiseGelu<Float32>(CpuMemory.Address(products), CpuMemory.Floats(scales), by, (byte*)CpuMemory.Address(gelu),
            CpuMemory.Floats(geluScales), columns, 0, rows);
        Int8Kernel.Dequantise<Float32>(CpuMemory.Address(plain), CpuMemory.Floats(scales), by, columns, 0, rows);
        Int8Kernel.Dequantise<BFloat16>(CpuMemory.Address(half), CpuMemory.Floats(scales), by, columns, 0, rows);

        Assert.True((plain - expected).abs().max().item<double>() < 1e-5);
        Assert.True(((half.to(float64) - expected) / (expected.abs() + 1)).abs().max().item<double>() < 0.01);
        var restored = (gelu.to(float64) - Int8Kernel.GeluZero) * geluScales.to(float64).unsqueeze(1);
        Assert.True(((restored - activated).abs() <= (geluScales.to(float64).unsqueeze(1) * 0.501)).all().item<bool>());
        // GELU's least value and its largest: one of them is at the end of what bytes hold.
        Assert.True(((gelu.amax(1) == 255) | (gelu.amin(1) == 1)).all().item<bool>());
        Assert.True(gelu.amin(1).gt(0).all().item<bool>());
    }

    [Theory]
    [InlineData(1, 16, 16)]
    [InlineData(3, 48, 80)]
    [InlineData(17, 96, 3072)]
    [InlineData(65, 3072, 48)]
    [InlineData(200, 384, 1536)]
    public void Products_of_bytes_are_exact(int rows, int width, int outputs)
    {
        Assert.SkipWhen(DispatcherOperators.Int8Problem is not null, DispatcherOperators.Int8Problem ?? "");
        using var generator = new Generator(8);
        var x = randint(1, 256, [rows, width], uint8, generator: generator);
        var weight = randint(-127, 128, [outputs, width], int8, generator: generator);
        // The largest sums that there are, of either sign.
        x[0].fill_(255);
        weight[0].fill_(127);
        weight[1].fill_(-127);
        weight[2].fill_(-128);
        var exact = mm(x.to(float64) - 128, weight.to(float64).t());
        var packed = DispatcherOperators.PackInt8Weight(weight);

        var product = DispatcherOperators.LinearInt8(x, 128, packed, ones(outputs), zeros(outputs, int32), float32);
        var half = DispatcherOperators.LinearInt8(x, 128, packed, ones(outputs), zeros(outputs, int32), bfloat16);

        // The sums are whole numbers; float32 and bfloat16 are what they are rounded to, once.
        Assert.True(product.equal(exact.to(float32)).all().item<bool>());
        var other = DispatcherOperators.LinearInt8(x, Int8Kernel.GeluZero, packed, ones(outputs), zeros(outputs, int32), float32);
        Assert.True(other.equal(mm(x.to(float64) - Int8Kernel.GeluZero, weight.to(float64).t()).to(float32)).all().item<bool>());
        Assert.True(half.equal(exact.to(float32).to(bfloat16)).all().item<bool>());
    }

    [Fact]
    public void A_quantised_projection_is_within_the_rounding_of_its_bytes()
    {
        Assert.SkipWhen(DispatcherOperators.Int8Problem is not null, DispatcherOperators.Int8Problem ?? "");
        using var generator = new Generator(9);
        Tensor x = randn([33, 256], generator: generator), w = randn([48, 256], generator: generator) * 0.02f;
        w[5].zero_();
        using var weight = new Int8Weight(w);

        using var rows = Int8Operations.Quantise(x);
        var product = weight.Multiply(rows, float32).to(float64) * rows.Scales.unsqueeze(1);

        var (bytes, scales) = FrozenWeights.Quantise(w);
        var restored = mm((rows.Values.to(float64) - 128) * rows.Scales.unsqueeze(1), (bytes.to(float64) * scales.unsqueeze(1)).t());
        Assert.True((product - restored).abs().max().item<double>() < 1e-6);
        Assert.True((product - mm(x.to(float64), w.to(float64).t())).norm().item<double>() < 0.02 * mm(x, w.t()).norm().item<float>());
        Assert.Equal(0, product.select(1, 5).abs().max().item<double>());
    }

    [Fact]
    public void The_exponential_is_within_two_units_in_the_last_place()
    {
        var x = cat([linspace(-87.2, 88, 1 << 16, float32), tensor([-87.31f, -1e30f, float.NegativeInfinity, 0f, -0f, float.NaN]), zeros(10)]);
        var expected = x.to(float64).exp().data<double>().ToArray();
        var from = CpuMemory.Floats(x);

        for (var i = 0; i < x.numel(); i += 16)
        {
            var actual = Exponential.Of(System.Runtime.Intrinsics.Vector512.Load(from + i));
            for (var j = 0; j < 16; j++)
            {
                Assert.True(double.IsNaN(expected[i + j]) ? float.IsNaN(actual[j])
                    : from[i + j] < -87.3f ? actual[j] == 0
                    : Math.Abs(actual[j] - expected[i + j]) <= expected[i + j] * 2.4e-7, $"e^{from[i + j]} = {actual[j]}");
            }
        }
    }

    private static (byte[,] Values, float[] Scales) Quantise<T>(Tensor x)
        where T : IElement
    {
        Tensor to = empty(x.shape, uint8), scales = empty(x.shape[0]);
        Int8Kernel.Quantise<T>(CpuMemory.Address(x), (byte*)CpuMemory.Address(to), CpuMemory.Floats(scales), x.shape[1], 0, x.shape[0]);
        var flat = to.data<byte>().ToArray();
        var values = new byte[x.shape[0], x.shape[1]];
        Buffer.BlockCopy(flat, 0, values, 0, flat.Length);
        return (values, scales.data<float>().ToArray());
    }
}
