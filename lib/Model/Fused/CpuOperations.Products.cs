using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

// Matrix products: oneDNN's, each shape by the call that is fastest for it; small float32 ones on panels of our own.
internal sealed unsafe partial class CpuOperations
{
    // From so many rows on it pays to rearrange a weight in bfloat16 for the one product, instead of reading it as it lies.
    private const int ManyRows = 600;

    /// <inheritdoc />
    public override Tensor Multiply(Tensor x, Tensor weight, Tensor? bias) =>
        x.dtype != ScalarType.BFloat16 ? MultiplyByPanels(x, weight, bias) ?? DispatcherOperators.Linear(x, weight, bias)
        : x.shape[0] >= ManyRows && DispatcherOperators.TakesBFloat16 ? DispatcherOperators.Linear(x, weight, bias)
        : MultiplyInPlace(x, weight, bias);

    /// <inheritdoc />
    public override void AddProduct(Tensor a, Tensor b, Tensor target, bool isFirst)
    {
        if (TakesPanels(target.shape[1], target.shape[0]) && target.is_contiguous() && Matrix(a) is { } rows && Matrix(b) is { } columns)
        {
            PanelGemm.Multiply((int)a.shape[1], (int)b.shape[1], (int)b.shape[0], rows.Transposed, columns, null, CpuMemory.Floats(target), !isFirst);
        }
        else if (a.dtype == ScalarType.BFloat16)
        {
            using Tensor across = a.t(), down = b.t(), product = MultiplyInPlace(across, down, null);
            Put(product, target, isFirst);
        }
        else
        {
            base.AddProduct(a, b, target, isFirst);
        }
    }

    /// <summary>
    /// In bfloat16 mm reaches oneDNN too and takes both operands as they lie, where the linear layer rearranges the weight each time. (In float32 mm would be
    /// MKL's.)
    /// </summary>
    private Tensor MultiplyInPlace(Tensor x, Tensor weight, Tensor? bias)
    {
        var output = New(x.dtype, x.shape[0], weight.shape[0]);
        using var scope = NewDisposeScope();
        if (bias is not null)
        {
            output.copy_(bias);
        }

        output.addmm_(x, weight.t(), bias is null ? 0 : 1, 1);
        return output;
    }

    private Tensor? MultiplyByPanels(Tensor x, Tensor weight, Tensor? bias)
    {
        if (!TakesPanels(weight.shape[0], weight.shape[1]) || Matrix(x) is not { } rows || Matrix(weight) is not { } columns)
        {
            return null;
        }

        var output = New(ScalarType.Float32, x.shape[0], weight.shape[0]);
        PanelGemm.Multiply((int)x.shape[0], (int)weight.shape[0], (int)x.shape[1], rows, columns.Transposed, bias is null ? null : CpuMemory.Floats(bias),
            CpuMemory.Floats(output), accumulate: false);
        return output;
    }

    private static bool TakesPanels(long columns, long others) => PanelGemm.Takes(columns * others) && columns % SmallGemm.Lane == 0;

    /// <summary>A float32 matrix in place, its rows or its columns without gaps; null for any other.</summary>
    private static PanelGemm.Matrix? Matrix(Tensor values)
    {
        if (values.dtype != ScalarType.Float32)
        {
            return null;
        }

        if (values.is_contiguous())
        {
            return new((nint)CpuMemory.Address(values), (int)values.shape[1], 1);
        }

        using var transposed = values.t();
        return transposed.is_contiguous() ? new((nint)CpuMemory.Address(transposed), 1, (int)values.shape[0]) : null;
    }
}
