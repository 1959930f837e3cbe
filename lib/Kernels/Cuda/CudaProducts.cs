using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NotebookLib.Kernels.Cuda;

/// <summary>
/// Matrix products through cuBLASLt, on the stream that libtorch uses: a third of the host's time of libtorch's own call, float32 gradients straight out of narrow operands,
/// and added to what is there where the caller wishes. Plans (layouts and the chosen algorithm) are kept by shape.
/// </summary>
/// <remarks>cuBLASLt counts columns first: C = A · Bᵀ over rows is Cᵀ = B · Aᵀ over its columns, so the operands change places here.</remarks>
internal sealed unsafe class CudaProducts
{
    private const int MostPlans = 1024;
    private const int WorkspaceBytes = 32 << 20;
    private const int HeuristicBytes = 96;

    // library_types.h, cublas_api.h, cublasLt.h
    private const int Real32 = 0, Real16 = 2, RealBf16 = 14, Compute32 = 68, TransposeA = 3, TransposeB = 4, Epilogue = 7, BiasPointer = 8, BiasType = 26, EpilogueBias = 4, WorkspaceLimit = 1;

    private static readonly Lazy<CudaProducts?> Made = new(Make);

    private readonly nint _handle;
    private readonly Tensor _workspace;
    private readonly Dictionary<Shape, Plan> _plans = [];
    private readonly Lock _lock = new();
    private readonly delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, byte*, nint, nuint, nint, int> _multiply;
    private readonly delegate* unmanaged<nint*, int, int, int> _newDescription;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _describe;
    private readonly delegate* unmanaged<nint, int> _freeDescription;
    private readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> _newLayout;
    private readonly delegate* unmanaged<nint, int> _freeLayout;
    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, byte*, int*, int> _choose;
    private readonly nint _preference;

    private CudaProducts(nint library, nint handle)
    {
        _handle = handle;
        nint Export(string name) => NativeLibrary.GetExport(library, name);
        _multiply = (delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, byte*, nint, nuint, nint, int>)Export("cublasLtMatmul");
        _newDescription = (delegate* unmanaged<nint*, int, int, int>)Export("cublasLtMatmulDescCreate");
        _describe = (delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulDescSetAttribute");
        _freeDescription = (delegate* unmanaged<nint, int>)Export("cublasLtMatmulDescDestroy");
        _newLayout = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)Export("cublasLtMatrixLayoutCreate");
        _freeLayout = (delegate* unmanaged<nint, int>)Export("cublasLtMatrixLayoutDestroy");
        _choose = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, byte*, int*, int>)Export("cublasLtMatmulAlgoGetHeuristic");
        _workspace = empty(WorkspaceBytes, ScalarType.Byte, CUDA).DetachFromDisposeScope();
        nint preference;
        Check(((delegate* unmanaged<nint*, int>)Export("cublasLtMatmulPreferenceCreate"))(&preference), "cublasLtMatmulPreferenceCreate");
        nuint limit = WorkspaceBytes;
        Check(((delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulPreferenceSetAttribute"))(preference, WorkspaceLimit, &limit, (nuint)sizeof(nuint)), "workspace");
        _preference = preference;
    }

    /// <summary>The products of this process, or null where cuBLASLt cannot be had.</summary>
    public static CudaProducts? Instance => Made.Value;

    /// <summary>result = a · bᵀ (+ bias), or result += a · bᵀ.</summary>
    /// <param name="a">[M, K], rows or columns contiguous, float32, bfloat16 or float16.</param>
    /// <param name="b">[N, K], likewise, the same type.</param>
    /// <param name="bias">[N], the type of <paramref name="result"/>, or null.</param>
    /// <param name="result">[M, N], contiguous, float32 or the type of the operands.</param>
    /// <param name="accumulates">Whether the product is added to the result.</param>
    public void Multiply(Tensor a, Tensor b, Tensor? bias, Tensor result, bool accumulates)
    {
        var (rowsA, leadA) = Order(a);
        var (rowsB, leadB) = Order(b);
        var shape = new Shape(a.size(0), b.size(0), a.size(1), rowsA, rowsB, leadA, leadB, TypeOf(a), TypeOf(result), bias is not null);
        float alpha = 1, beta = accumulates ? 1 : 0;
        lock (_lock)
        {
            var plan = PlanOf(shape);
            if (bias is not null)
            {
                var address = Platform.DeviceMemory.Address(bias);
                Check(_describe(plan.Description, BiasPointer, &address, (nuint)sizeof(nint)), "bias");
            }

            var to = Platform.DeviceMemory.Address(result);
            fixed (byte* algorithm = plan.Algorithm)
            {
                Check(_multiply(_handle, plan.Description, &alpha, Platform.DeviceMemory.Address(b), plan.B, Platform.DeviceMemory.Address(a), plan.A, &beta, to, plan.Result, to, plan.Result,
                    algorithm, Platform.DeviceMemory.Address(_workspace), WorkspaceBytes, 0), "cublasLtMatmul");
            }
        }
    }

    /// <summary>Whether rows lie together, and the distance from one row (or column) to the next.</summary>
    private static (bool Rows, long Lead) Order(Tensor operand) =>
        operand.stride(1) == 1 || operand.size(1) == 1 ? (true, Math.Max(operand.stride(0), operand.size(1)))
        : operand.stride(0) == 1 ? (false, Math.Max(operand.stride(1), operand.size(0)))
        : throw new NotSupportedException($"A product's operand has strides [{operand.stride(0)}, {operand.stride(1)}]; expected rows or columns that lie together.");

    private static int TypeOf(Tensor tensor) => tensor.dtype switch
    {
        ScalarType.Float32 => Real32,
        ScalarType.BFloat16 => RealBf16,
        ScalarType.Float16 => Real16,
        _ => throw new NotSupportedException($"Products take float32, bfloat16 and float16, not {tensor.dtype}."),
    };

    private Plan PlanOf(Shape shape)
    {
        if (_plans.TryGetValue(shape, out var known))
        {
            return known;
        }

        if (_plans.Count >= MostPlans)
        {
            foreach (var plan in _plans.Values)
            {
                _ = _freeDescription(plan.Description);
                _ = _freeLayout(plan.A);
                _ = _freeLayout(plan.B);
                _ = _freeLayout(plan.Result);
            }

            _plans.Clear();
        }

        return _plans[shape] = NewPlan(shape);
    }

    private Plan NewPlan(Shape shape)
    {
        nint description, a, b, result;
        Check(_newDescription(&description, Compute32, Real32), "cublasLtMatmulDescCreate");
        // Over its columns our A is [K, M] where rows lie together, else [M, K]; B likewise.
        int transposesB = shape.RowsB ? 1 : 0, transposesA = shape.RowsA ? 0 : 1;
        Check(_describe(description, TransposeA, &transposesB, sizeof(int)), "transpose");
        Check(_describe(description, TransposeB, &transposesA, sizeof(int)), "transpose");
        if (shape.HasBias)
        {
            int epilogue = EpilogueBias, type = shape.ResultType;
            Check(_describe(description, Epilogue, &epilogue, sizeof(int)), "epilogue");
            Check(_describe(description, BiasType, &type, sizeof(int)), "type of the bias");
        }

        Check(_newLayout(&b, shape.Type, (ulong)(shape.RowsB ? shape.K : shape.N), (ulong)(shape.RowsB ? shape.N : shape.K), shape.LeadB), "layout");
        Check(_newLayout(&a, shape.Type, (ulong)(shape.RowsA ? shape.K : shape.M), (ulong)(shape.RowsA ? shape.M : shape.K), shape.LeadA), "layout");
        Check(_newLayout(&result, shape.ResultType, (ulong)shape.N, (ulong)shape.M, shape.N), "layout");
        var heuristic = stackalloc byte[HeuristicBytes];
        int found;
        Check(_choose(_handle, description, b, a, result, result, _preference, 1, heuristic, &found), "cublasLtMatmulAlgoGetHeuristic");
        return found == 0
            ? throw new NotSupportedException($"cuBLASLt knows no way for {shape}.")
            : new(description, a, b, result, new ReadOnlySpan<byte>(heuristic, 64).ToArray());
    }

    private static CudaProducts? Make()
    {
        if (CudaProgram.Problem is not null)
        {
            return null;
        }

        foreach (var name in OperatingSystem.IsWindows() ? (string[])["cublasLt64_13.dll", "cublasLt64_12.dll"] : ["libcublasLt.so.13", "libcublasLt.so.12"])
        {
            nint handle;
            if (NativeLibrary.TryLoad(name, out var library) && NativeLibrary.TryGetExport(library, "cublasLtCreate", out var create)
                && ((delegate* unmanaged<nint*, int>)create)(&handle) == 0)
            {
                return new(library, handle);
            }
        }

        return null;
    }

    private static void Check(int status, string what)
    {
        if (status != 0)
        {
            throw new InvalidOperationException($"cuBLASLt answered {what} with status {status}.");
        }
    }

    private readonly record struct Shape(long M, long N, long K, bool RowsA, bool RowsB, long LeadA, long LeadB, int Type, int ResultType, bool HasBias);

    private sealed record Plan(nint Description, nint A, nint B, nint Result, byte[] Algorithm);
}
