using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Platform;

/// <summary>
/// libtorch's autocast for the current thread, which TorchSharp 0.107 has no binding for: while a scope is open, matrix products run in the
/// reduced type and whatever needs range (softmax, losses, norms) in float32, after libtorch's own lists (ATen/autocast_mode.h).
/// </summary>
/// <remarks>
/// The functions are reached by their mangled C++ names, which hold for the pinned libtorch on Linux and macOS; <see cref="Problem"/> says so when they do not.
/// The cache of cast weights is one for the process: with two trainings at once, the end of one's scope empties it under the other, which then casts a
/// shared weight twice; right all the same, but rounded otherwise, so bit-for-bit repetition holds for one training at a time.
/// </remarks>
internal sealed unsafe class Autocast : IDisposable
{
    private static readonly Lazy<Entries> Native = new(Find);
    private readonly sbyte _device;
    private readonly bool _wasEnabled;
    private readonly sbyte _previousType;
    private bool _isDisposed;

    private Autocast(DeviceType device, ScalarType type)
    {
        EnsureAvailable();
        var native = Native.Value;
        _device = (sbyte)device;
        _wasEnabled = native.IsEnabled(_device) != 0;
        _previousType = native.GetType(_device);
        native.SetType(_device, (sbyte)type);
        native.SetEnabled(_device, 1);
        native.IncrementNesting();
    }

    /// <summary>Why autocast cannot be used in this process, or null when it can.</summary>
    public static string? Problem => Native.Value.Problem;

    /// <summary>True when autocast is on for the device type in this thread.</summary>
    public static bool IsEnabled(DeviceType device) => Problem is null && Native.Value.IsEnabled((sbyte)device) != 0;

    /// <summary>The type of matrix products in this thread: autocast's while it is on for the device, else float32.</summary>
    public static ScalarType ProductType(DeviceType device) => IsEnabled(device) ? (ScalarType)Native.Value.GetType((sbyte)device) : ScalarType.Float32;

    /// <summary>Checks, before a long run starts, that the pinned names are there.</summary>
    /// <exception cref="PlatformNotSupportedException">They are not; the message says which and what to do instead.</exception>
    public static void EnsureAvailable()
    {
        if (Problem is { } problem)
        {
            throw new PlatformNotSupportedException(problem);
        }
    }

    /// <summary>
    /// Turns autocast on until the result is disposed; then the casts that it cached are dropped, as torch does at the end of the outermost scope.
    /// </summary>
    /// <param name="type">bfloat16 (CPU and CUDA) or float16.</param>
    /// <param name="device">The device type whose operators are cast.</param>
    /// <exception cref="PlatformNotSupportedException">See <see cref="EnsureAvailable"/>.</exception>
    public static Autocast Enter(ScalarType type, DeviceType device = DeviceType.CPU) => new(device, type);

    /// <inheritdoc />
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        var native = Native.Value;
        if (native.DecrementNesting() == 0)
        {
            native.ClearCache();
        }

        native.SetEnabled(_device, _wasEnabled ? (byte)1 : (byte)0);
        native.SetType(_device, _previousType);
    }

    private static Entries Find()
    {
        NativeLibraries.EnsureLoaded();
        var path = Path.Combine(NativeLibraries.TorchFolder,
            OperatingSystem.IsWindows() ? "torch_cpu.dll" : OperatingSystem.IsMacOS() ? "libtorch_cpu.dylib" : "libtorch_cpu.so");
        var library = NativeLibrary.Load(path);
        string[] names =
        [
            "_ZN2at8autocast20set_autocast_enabledEN3c1010DeviceTypeEb", "_ZN2at8autocast19is_autocast_enabledEN3c1010DeviceTypeE",
            "_ZN2at8autocast18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE", "_ZN2at8autocast18get_autocast_dtypeEN3c1010DeviceTypeE",
            "_ZN2at8autocast17increment_nestingEv", "_ZN2at8autocast17decrement_nestingEv", "_ZN2at8autocast11clear_cacheEv",
        ];
        var addresses = names.Select(name => NativeLibrary.TryGetExport(library, name, out var address) ? address : 0).ToArray();
        var missing = names.Where((_, i) => addresses[i] == 0).ToList();
        return missing.Count == 0
            ? new Entries(addresses, null)
            : new Entries(addresses, $"Mixed precision is not available here: {Path.GetFileName(path)} ({__version__}) does not export {missing[0]}"
                + (missing.Count > 1 ? $" and {missing.Count - 1} more" : "")
                + ". The names belong to libtorch 2.10 on Linux and macOS; train with precision float32.");
    }

    private sealed class Entries(nint[] addresses, string? problem)
    {
        public string? Problem => problem;

        public void SetEnabled(sbyte device, byte enabled) => ((delegate* unmanaged[Cdecl]<sbyte, byte, void>)addresses[0])(device, enabled);

        public byte IsEnabled(sbyte device) => ((delegate* unmanaged[Cdecl]<sbyte, byte>)addresses[1])(device);

        public void SetType(sbyte device, sbyte type) => ((delegate* unmanaged[Cdecl]<sbyte, sbyte, void>)addresses[2])(device, type);

        public sbyte GetType(sbyte device) => ((delegate* unmanaged[Cdecl]<sbyte, sbyte>)addresses[3])(device);

        public int IncrementNesting() => ((delegate* unmanaged[Cdecl]<int>)addresses[4])();

        public int DecrementNesting() => ((delegate* unmanaged[Cdecl]<int>)addresses[5])();

        public void ClearCache() => ((delegate* unmanaged[Cdecl]<void>)addresses[6])();
    }
}
