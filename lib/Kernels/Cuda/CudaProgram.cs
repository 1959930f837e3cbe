using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using static TorchSharp.torch;

namespace NotebookLib.Kernels.Cuda;

/// <summary>
/// <c>layers.cu</c>, compiled by NVRTC for the card that is there and launched through CUDA's driver, in the context and on the stream (the default one) that
/// libtorch uses. NVRTC comes with every CUDA build of libtorch, the driver with the card.
/// </summary>
internal sealed unsafe class CudaProgram : IDeviceProgram
{
    private const string Resource = "Kernels/Cuda/layers.cu";

    private static readonly Lazy<(CudaProgram? Program, string? Problem)> Compiled = new(Compile);

    private readonly nint _context;
    private readonly nint _module;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, nint*, nint*, int> _launch;
    private readonly delegate* unmanaged<nint, int> _setContext;
    private readonly delegate* unmanaged<nint*, nint, byte*, int> _getFunction;
    private readonly ConcurrentDictionary<string, nint> _functions = new(StringComparer.Ordinal);

    [ThreadStatic]
    private static bool t_hasContext;

    private CudaProgram(nint driver, nint context, nint module)
    {
        (_context, _module) = (context, module);
        _launch = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, nint*, nint*, int>)NativeLibrary.GetExport(driver,
            "cuLaunchKernel");
        _setContext = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(driver, "cuCtxSetCurrent");
        _getFunction = (delegate* unmanaged<nint*, nint, byte*, int>)NativeLibrary.GetExport(driver, "cuModuleGetFunction");
    }

    /// <summary>Why the kernels cannot run in this process, or null when they can; the first call compiles them.</summary>
    public static string? Problem => Compiled.Value.Problem;

    /// <summary>The compiled kernels.</summary>
    /// <exception cref="NotSupportedException">See <see cref="Problem"/>.</exception>
    public static CudaProgram Instance => Compiled.Value.Program ?? throw new NotSupportedException(Problem);

    /// <summary>The source text.</summary>
    public static string Source
    {
        get
        {
            using var stream = typeof(CudaProgram).Assembly.GetManifestResourceStream(Resource)!;
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return reader.ReadToEnd();
        }
    }

    /// <inheritdoc />
    public void Launch(string kernel, (int X, int Y, int Z) grid, int threads, ReadOnlySpan<nint> arguments)
    {
        if (grid.X == 0 || grid.Y == 0 || grid.Z == 0)
        {
            return;
        }

        // Gradients come on threads of libtorch's own.
        if (!t_hasContext)
        {
            Check(_setContext(_context), "cuCtxSetCurrent");
            t_hasContext = true;
        }

        var function = _functions.GetOrAdd(kernel, Find);
        fixed (nint* pointers = arguments)
        {
            Check(_launch(function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)threads, 1, 1, 0, 0, pointers, null), kernel);
        }
    }

    private nint Find(string kernel)
    {
        nint function;
        fixed (byte* name = Encoding.ASCII.GetBytes(kernel + "\0"))
        {
            Check(_getFunction(&function, _module, name), kernel);
        }

        return function;
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
        {
            throw new InvalidOperationException($"CUDA's driver answered {what} with error {result}.");
        }
    }

    private static (CudaProgram?, string?) Compile()
    {
        if (!cuda.is_available())
        {
            return (null, "No CUDA device is available to this libtorch.");
        }

        try
        {
            // libtorch makes the primary context, which holds its tensors.
            zeros(1, device: CUDA).Dispose();
            var driver = LoadAny(OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1"])
                ?? throw new DllNotFoundException("CUDA's driver library (libcuda.so.1) was not found.");
            var (context, architecture) = PrimaryContext(driver);
            return (new CudaProgram(driver, context, Load(driver, context, CompileSource(architecture))), null);
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException or InvalidOperationException or ExternalException)
        {
            return (null, $"The device's kernels could not be made: {error.Message} Layers run as libtorch's own operators there, several times slower.");
        }
    }

    private static nint? LoadAny(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, out var library))
            {
                return library;
            }
        }

        return null;
    }

    private static (nint Context, int Architecture) PrimaryContext(nint driver)
    {
        var getDevice = (delegate* unmanaged<int*, int, int>)NativeLibrary.GetExport(driver, "cuDeviceGet");
        var retain = (delegate* unmanaged<nint*, int, int>)NativeLibrary.GetExport(driver, "cuDevicePrimaryCtxRetain");
        var attribute = (delegate* unmanaged<int*, int, int, int>)NativeLibrary.GetExport(driver, "cuDeviceGetAttribute");
        int device, major, minor;
        nint context;
        Check(getDevice(&device, 0), "cuDeviceGet");
        Check(retain(&context, device), "cuDevicePrimaryCtxRetain");
        Check(attribute(&major, 75, device), "cuDeviceGetAttribute");
        Check(attribute(&minor, 76, device), "cuDeviceGetAttribute");
        return (context, (major * 10) + minor);
    }

    private static nint Load(nint driver, nint context, byte[] image)
    {
        var setContext = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(driver, "cuCtxSetCurrent");
        var load = (delegate* unmanaged<nint*, byte*, int>)NativeLibrary.GetExport(driver, "cuModuleLoadData");
        nint module;
        Check(setContext(context), "cuCtxSetCurrent");
        fixed (byte* bytes = image)
        {
            Check(load(&module, bytes), "cuModuleLoadData");
        }

        return module;
    }

    /// <summary>Machine code (cubin) for one architecture.</summary>
    private static byte[] CompileSource(int architecture)
    {
        var nvrtc = LoadAny(CompilerNames()) ?? throw new DllNotFoundException("NVRTC (libnvrtc.so) was not found beside libtorch or on the library path.");
        var create = (delegate* unmanaged<nint*, byte*, byte*, int, nint*, nint*, int>)NativeLibrary.GetExport(nvrtc, "nvrtcCreateProgram");
        var compile = (delegate* unmanaged<nint, int, nint*, int>)NativeLibrary.GetExport(nvrtc, "nvrtcCompileProgram");
        nint program;
        fixed (byte* source = Encoding.UTF8.GetBytes(Source + "\0"), name = "layers.cu\0"u8,
            option = Encoding.ASCII.GetBytes($"--gpu-architecture=sm_{architecture}\0"), quick = "--std=c++17\0"u8)
        {
            if (create(&program, source, name, 0, null, null) != 0)
            {
                throw new InvalidOperationException("NVRTC made no program.");
            }

            var options = stackalloc nint[] { (nint)option, (nint)quick };
            return compile(program, 2, options) == 0
                ? Output(nvrtc, program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
                : throw new InvalidOperationException("NVRTC: "
                    + Encoding.UTF8.GetString(Output(nvrtc, program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog")).TrimEnd('\0', '\n'));
        }
    }

    private static byte[] Output(nint nvrtc, nint program, string sizeName, string name)
    {
        nuint size;
        _ = ((delegate* unmanaged<nint, nuint*, int>)NativeLibrary.GetExport(nvrtc, sizeName))(program, &size);
        var bytes = new byte[(int)size];
        fixed (byte* to = bytes)
        {
            _ = ((delegate* unmanaged<nint, byte*, int>)NativeLibrary.GetExport(nvrtc, name))(program, to);
        }

        return bytes;
    }

    private static IEnumerable<string> CompilerNames()
    {
        if (OperatingSystem.IsWindows())
        {
            return Directory.EnumerateFiles(Platform.NativeLibraries.TorchFolder, "nvrtc64_*.dll")
                .Where(file => !file.Contains("alt", StringComparison.Ordinal));
        }

        // libtorch's own packages bring it beside them, under a name with a hash; pip's bring it in packages of its own.
        var torch = Platform.NativeLibraries.TorchFolder;
        var nvidia = Path.GetFullPath(Path.Combine(torch, "..", "..", "nvidia"));
        var files = ((string[])[torch, Path.Combine(nvidia, "cu13", "lib"), Path.Combine(nvidia, "cuda_nvrtc", "lib")]).Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "libnvrtc*.so*").Order(StringComparer.Ordinal))
            .Where(file =>
                !Path.GetFileName(file).Contains("builtins", StringComparison.Ordinal) && !Path.GetFileName(file).Contains(".alt.", StringComparison.Ordinal));
        return [.. files, "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
    }
}
