using System.Runtime.Intrinsics.X86;
using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>Activations in int8: each row by itself, right before a product.</summary>
/// <param name="Values">q + zero, [M, C], uint8.</param>
/// <param name="Scales">x ≈ q · scale, [M], float32.</param>
/// <param name="Zero">What stands for 0.</param>
internal readonly record struct Int8Rows(Tensor Values, Tensor Scales, int Zero) : IDisposable
{
    public void Dispose()
    {
        Values.Dispose();
        Scales.Dispose();
    }
}

/// <summary>A projection's weight in int8, with what its adapter adds to it: made once for many products.</summary>
internal sealed class Int8Weight : IDisposable
{
    private readonly Tensor _packed, _scales, _zeros;

    /// <summary>Quantises a weight.</summary>
    /// <param name="weight">[out, in], float32, without gradient.</param>
    public Int8Weight(Tensor weight)
    {
        using var part = StepClock.Part("copies of weights");
        using var scope = NewDisposeScope();
        var (rows, scales) = FrozenWeights.Quantise(weight);
        _packed = DispatcherOperators.PackInt8Weight(rows).DetachFromDisposeScope();
        _zeros = zeros(rows.shape[0], int32).DetachFromDisposeScope();
        _scales = scales.DetachFromDisposeScope();
    }

    /// <summary>Σ q·w of whole numbers, rounded once, times the column's scale.</summary>
    /// <param name="x">[M, in].</param>
    /// <param name="type">float32 or bfloat16.</param>
    /// <returns>[M, out]; still to be multiplied by the rows' scales.</returns>
    public Tensor Multiply(Int8Rows x, ScalarType type)
    {
        using var part = StepClock.Part("products, forward");
        return DispatcherOperators.LinearInt8(x.Values, x.Zero, _packed, _scales, _zeros, type);
    }

    public void Dispose()
    {
        _packed.Dispose();
        _scales.Dispose();
        _zeros.Dispose();
    }
}

/// <summary>
/// A layer's products in int8 with what surrounds them, on the CPU: rows are quantised where they are made, and a product's numbers are scaled where they are
/// next read. Between the two they are bfloat16 (<see cref="ProductType"/>): half the memory of float32, and beside a rounding to eight bits its own, of as
/// many, is small.
/// </summary>
internal static unsafe class Int8Operations
{
    /// <summary>In which type products are written: without AVX-512 oneDNN has no fast product of bytes into bfloat16.</summary>
    private static readonly ScalarType ProductType = Avx512F.IsSupported ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Quantises rows, [M, C], float32 or bfloat16.</summary>
    public static Int8Rows Quantise(Tensor rows)
    {
        using var part = StepClock.Part("int8 rows");
        var quantised = New(rows.shape[0], rows.shape[1]);
        var (from, to, scales, columns) = ((nint)CpuMemory.Address(rows), (nint)CpuMemory.Address(quantised.Values),
            (nint)CpuMemory.Floats(quantised.Scales), rows.shape[1]);
        var isHalf = rows.dtype == ScalarType.BFloat16;
        ThreadTeam.RunRanges((int)rows.shape[0], 8, (_, start, end) =>
        {
            if (isHalf)
            {
                Int8Kernel.Quantise<Kernels.BFloat16>((void*)from, (byte*)to, (float*)scales, columns, start, end);
            }
            else
            {
                Int8Kernel.Quantise<Kernels.Float32>((void*)from, (byte*)to, (float*)scales, columns, start, end);
            }
        });
        return quantised;
    }

    /// <summary>x · Wᵀ + b.</summary>
    /// <param name="x">[M, in].</param>
    /// <param name="projection">W and b.</param>
    /// <returns>[M, out], <see cref="ProductType"/>.</returns>
    public static Tensor Project(Int8Rows x, FusedProjection projection)
    {
        var products = projection.Int8Weight.Multiply(x, ProductType);
        using var part = StepClock.Part("int8 rows");
        var (values, scales, bias, columns) = ((nint)CpuMemory.Address(products), (nint)CpuMemory.Floats(x.Scales), BiasOf(projection), products.shape[1]);
        ThreadTeam.RunRanges((int)products.shape[0], 8, (_, start, end) =>
        {
            if (ProductType == ScalarType.BFloat16)
            {
                Int8Kernel.Dequantise<Kernels.BFloat16>((void*)values, (float*)scales, (float*)bias, columns, start, end);
            }
            else
            {
                Int8Kernel.Dequantise<Kernels.Float32>((void*)values, (float*)scales, (float*)bias, columns, start, end);
            }
        });
        return products;
    }

    /// <summary>gelu(x · Wᵀ + b), quantised anew.</summary>
    /// <inheritdoc cref="Project" path="/param"/>
    public static Int8Rows ProjectGelu(Int8Rows x, FusedProjection projection)
    {
        using var products = projection.Int8Weight.Multiply(x, ProductType);
        using var part = StepClock.Part("GELU, forward");
        var activated = New(products.shape[0], products.shape[1], Int8Kernel.GeluZero);
        var (from, scales, bias) = ((nint)CpuMemory.Address(products), (nint)CpuMemory.Floats(x.Scales), BiasOf(projection));
        var (to, toScales, columns) = ((nint)CpuMemory.Address(activated.Values), (nint)CpuMemory.Floats(activated.Scales), (int)products.shape[1]);
        ThreadTeam.RunRanges((int)products.shape[0], 4, (_, start, end) =>
        {
            if (ProductType == ScalarType.BFloat16)
            {
                Int8Kernel.DequantiseGelu<Kernels.BFloat16>(
                    (void*)from, (float*)scales, (float*)bias, (byte*)to, (float*)toScales, columns, start, end);
            }
            else
            {
                Int8Kernel.DequantiseGelu<Kernels.Float32>(
                    (void*)from, (float*)scales, (float*)bias, (byte*)to, (float*)toScales, columns, start, end);
            }
        });
        return activated;
    }

    /// <summary>LayerNorm(x · Wᵀ + b + residual), in float32 and quantised.</summary>
    /// <param name="x">[M, in].</param>
    /// <param name="projection">W and b.</param>
    /// <param name="residual">[M, C], float32.</param>
    /// <param name="norm">γ and β.</param>
    /// <param name="epsilon">ε under the root.</param>
    /// <returns>[M, C] each.</returns>
    public static (Tensor Exact, Int8Rows Rows) ProjectAddAndNormalise(
        Int8Rows x, FusedProjection projection, Tensor residual, FusedNorm norm, float epsilon)
    {
        using var products = projection.Int8Weight.Multiply(x, ProductType);
        using var part = StepClock.Part("dropout + residual + LayerNorm, forward");
        var (count, columns) = (residual.shape[0], residual.shape[1]);
        var output = ActivationMemory.New(float32, residual.shape);
        var quantised = New(count, columns);
        using var statistics = empty(count, 2, float32);
        var rows = new NormKernel.Rows
        {
            Hidden = CpuMemory.Address(products),
            Residual = CpuMemory.Floats(residual),
            Sum = CpuMemory.Floats(output),
            Output = CpuMemory.Floats(output),
            Statistics = CpuMemory.Floats(statistics),
            Weight = CpuMemory.Floats(norm.Weight),
            Bias = CpuMemory.Floats(norm.Bias),
            C = (int)columns,
            Epsilon = epsilon,
        };
        var (scales, bias) = ((nint)CpuMemory.Floats(x.Scales), BiasOf(projection));
        var (to, toScales) = ((nint)CpuMemory.Address(quantised.Values), (nint)CpuMemory.Floats(quantised.Scales));
        ThreadTeam.RunRanges((int)count, 8, (_, start, end) =>
        {
            // Row by row: what one step writes the next finds in the cache.
            for (var row = start; row < end; row++)
            {
                if (ProductType == ScalarType.BFloat16)
                {
                    Int8Kernel.Dequantise<Kernels.BFloat16>(rows.Hidden, (float*)scales, (float*)bias, columns, row, row + 1);
                    NormKernel.Forward<Kernels.BFloat16>(rows, row, row + 1);
                }
                else
                {
                    Int8Kernel.Dequantise<Kernels.Float32>(rows.Hidden, (float*)scales, (float*)bias, columns, row, row + 1);
                    NormKernel.Forward<Kernels.Float32>(rows, row, row + 1);
                }

                Int8Kernel.Quantise<Kernels.Float32>(rows.Output, (byte*)to, (float*)toScales, columns, row, row + 1);
            }
        });
        return (output, quantised);
    }

    private static Int8Rows New(long rows, long columns, int zero = Int8Kernel.Zero) =>
        new(ActivationMemory.New(uint8, [rows, columns]), empty(rows, float32), zero);

    private static nint BiasOf(FusedProjection projection) => projection.Bias is { } bias ? (nint)CpuMemory.Floats(bias) : 0;
}
