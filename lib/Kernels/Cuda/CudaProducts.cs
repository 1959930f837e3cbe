using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NotebookLib.Kernels.Cuda;

/// <summary>
/// Matrix products through cuBLASLt, on the stream that libtorch uses: a third of the host's time of libtorch's own call, float32 gradients straight out of
/// narrow operands, and added to what is there where the caller wishes. Plans (layouts and the chosen algorithm) are kept by shape.
/// </summary>
/// <remarks>cuBLASLt counts columns first: C = A · Bᵀ over rows is Cᵀ = B · Aᵀ over its columns, so the operands change places here.</remarks>
internal sealed unsafe class CudaProducts : IDeviceProducts
{
    private const int MostPlans = 1024;
    private const int WorkspaceBytes = 32 << 20;
    private const int HeuristicBytes = 96;

    // library_types.h, cublas_api.h, cublasLt.h
    private const int Real32 = 0, Real16 = 2, RealBf16 = 14, Compute32 = 68, TransposeA = 3, TransposeB = 4, Epilogue = 7, BiasPointer = 8, BiasStep = 10,
    BiasType = 26, EpilogueBias = 4,
        WorkspaceLimit = 1, NotSupported = 15, BatchCount = 5, BatchStep = 6;

    private static readonly Lazy<CudaProducts?> Made = new(Make);

    private readonly nint _handle;
    private readonly Tensor _workspace;
    private readonly Dictionary<Shape, Plan?> _plans = [];
    private readonly Lock _lock = new();
    private readonly delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, byte*, nint, nuint, nint, int> _multiply;
    private readonly delegate* unmanaged<nint*, int, int, int> _newDescription;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _describe;
    private readonly delegate* unmanaged<nint, int> _freeDescription;
    private readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> _newLayout;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _arrange;
    private readonly delegate* unmanaged<nint, int> _freeLayout;
    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, byte*, int*, int> _choose;
    private readonly nint _preference;

    private CudaProducts(nint library, nint handle)
    {
        _handle = handle;
        nint Export(string name) => NativeLibrary.GetExport(library, name);
        _multiply = (delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, byte*, nint, nuint, nint,
            int>)Export("cublasLtMatmul");
        _newDescription = (delegate* unmanaged<nint*, int, int, int>)Export("cublasLtMatmulDescCreate");
        _describe = (delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulDescSetAttribute");
        _freeDescription = (delegate* unmanaged<nint, int>)Export("cublasLtMatmulDescDestroy");
        _newLayout = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)Export("cublasLtMatrixLayoutCreate");
        _arrange = (delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatrixLayoutSetAttribute");
        _freeLayout = (delegate* unmanaged<nint, int>)Export("cublasLtMatrixLayoutDestroy");
        _choose = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, byte*, int*, int>)Export("cublasLtMatmulAlgoGetHeuristic");
        _workspace = empty(WorkspaceBytes, ScalarType.Byte, CUDA).DetachFromDisposeScope();
        nint preference;
        Check(((delegate* unmanaged<nint*, int>)Export("cublasLtMatmulPreferenceCreate"))(&preference), "cublasLtMatmulPreferenceCreate");
        nuint limit = WorkspaceBytes;
        Check(((delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulPreferenceSetAttribute"))(preference, WorkspaceLimit, &limit,
            (nuint)sizeof(nuint)), "workspace");
        _preference = preference;
    }

    /// <summary>The products of this process, or null where cuBLASLt cannot be had.</summary>
    public static CudaProducts? Instance => Made.Value;

    /// <inheritdoc />
    public bool TryMultiply(int count, Matrices a, Matrices b, Matrices? bias, Matrices result, bool accumulates)
    {
        var (rowsA, leadA) = Order(a.First);
        var (rowsB, leadB) = Order(b.First);
        var shape = new Shape(a.First.size(0), b.First.size(0), a.First.size(1), rowsA, rowsB, leadA, leadB, TypeOf(a.First), TypeOf(result.First),
            bias is not null,
            count, a.Step, b.Step, bias?.Step ?? 0, result.Step);
        float alpha = 1, beta = accumulates ? 1 : 0;
        lock (_lock)
        {
            if (PlanOf(shape) is not { } plan)
            {
                return false;
            }

            if (bias is { } added)
            {
                var address = Platform.DeviceMemory.Address(added.First);
                Check(_describe(plan.Description, BiasPointer, &address, (nuint)sizeof(nint)), "bias");
            }

            var to = Platform.DeviceMemory.Address(result.First);
            fixed (byte* algorithm = plan.Algorithm)
            {
                Check(_multiply(_handle, plan.Description, &alpha, Platform.DeviceMemory.Address(b.First), plan.B, Platform.DeviceMemory.Address(a.First),
                    plan.A, &beta, to, plan.Result, to,
                    plan.Result, algorithm, Platform.DeviceMemory.Address(_workspace), WorkspaceBytes, 0), "cublasLtMatmul");
            }
        }

        return true;
    }

    /// <summary>Whether rows lie together, and the distance from one row (or column) to the next.</summary>
    private static (bool Rows, long Lead) Order(Tensor operand) =>
        operand.stride(1) == 1 || operand.size(1) == 1 ? (true, Math.Max(operand.stride(0), operand.size(1)))
        : operand.stride(0) == 1 ? (false, Math.Max(operand.stride(1), operand.size(0)))
        : throw new NotSupportedException($"A product's operand has strides [{operand.stride(0)}, {operand.stride(1)}]; "
            + "expected rows or columns that lie together.");

    private static int TypeOf(Tensor tensor) => tensor.dtype switch
    {
        ScalarType.Float32 => Real32,
        ScalarType.BFloat16 => RealBf16,
        ScalarType.Float16 => Real16,
        _ => throw new NotSupportedException($"Products take float32, bfloat16 and float16, not {tensor.dtype}."),
    };

    private Plan? PlanOf(Shape shape)
    {
        if (_plans.TryGetValue(shape, out var known))
        {
            return known;
        }

        if (_plans.Count >= MostPlans)
        {
            foreach (var plan in _plans.Values.OfType<Plan>())
            {
                Free(plan);
            }

            _plans.Clear();
        }

        return _plans[shape] = NewPlan(shape);
    }

    /// <summary>Null where cuBLASLt knows no way.</summary>
    private Plan? NewPlan(Shape shape)
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
            if (shape.Count > 1)
            {
                var step = shape.StepBias;
                if (_describe(description, BiasStep, &step, sizeof(long)) != 0)
                {
                    // cuBLASLt before 11.3 knows one bias only.
                    _ = _freeDescription(description);
                    return null;
                }
            }
        }

        b = Layout(shape.Type, shape.RowsB ? shape.K : shape.N, shape.RowsB ? shape.N : shape.K, shape.LeadB, shape.Count, shape.StepB);
        a = Layout(shape.Type, shape.RowsA ? shape.K : shape.M, shape.RowsA ? shape.M : shape.K, shape.LeadA, shape.Count, shape.StepA);
        result = Layout(shape.ResultType, shape.N, shape.M, shape.N, shape.Count, shape.StepResult);
        var heuristic = stackalloc byte[HeuristicBytes];
        int found;
        var status = _choose(_handle, description, b, a, result, result, _preference, 1, heuristic, &found);
        var plan = new Plan(description, a, b, result, new ReadOnlySpan<byte>(heuristic, 64).ToArray());
        if (status == NotSupported || (status == 0 && found == 0))
        {
            Free(plan);
            return null;
        }

        Check(status, "cublasLtMatmulAlgoGetHeuristic");
        return plan;
    }

    private void Free(Plan plan)
    {
        _ = _freeDescription(plan.Description);
        _ = _freeLayout(plan.A);
        _ = _freeLayout(plan.B);
        _ = _freeLayout(plan.Result);
    }

    private nint Layout(int type, long rows, long columns, long lead, int count, long step)
    {
        nint layout;
        Check(_newLayout(&layout, type, (ulong)rows, (ulong)columns, lead), "layout");
        if (count > 1)
        {
            Check(_arrange(layout, BatchCount, &count, sizeof(int)), "number of matrices");
            Check(_arrange(layout, BatchStep, &step, sizeof(long)), "step of matrices");
        }

        return layout;
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

    private readonly record struct Shape(long M, long N, long K, bool RowsA, bool RowsB, long LeadA, long LeadB, int Type, int ResultType, bool HasBias,
        int Count, long StepA, long StepB, long StepBias, long StepResult);

    private sealed record Plan(nint Description, nint A, nint B, nint Result, byte[] Algorithm);
}
