using System.Runtime.InteropServices;
using System.Text;

namespace NotebookLib.Platform;

/// <summary>The first CUDA device of this machine, as its driver describes it.</summary>
/// <param name="Name">For instance <c>NVIDIA H100 80GB HBM3</c>.</param>
/// <param name="Bytes">Memory of the card.</param>
/// <param name="Capability">Compute capability, for instance 9.0.</param>
/// <param name="DriverVersion">The newest CUDA that the driver serves, for instance 13.0.</param>
internal sealed unsafe record CudaCard(string Name, long Bytes, Version Capability, Version DriverVersion)
{
    // CUdevice_attribute of cuda.h.
    private const int MajorAttribute = 75;
    private const int MinorAttribute = 76;

    private static readonly Lazy<CudaCard?> Found = new(Find);

    /// <summary>The card, or null where there is none, or no driver. libtorch is not asked: it may be built without CUDA.</summary>
    public static CudaCard? First => Found.Value;

    /// <inheritdoc />
    public override string ToString() => Invariant($"{Name}, {NumberText.Gigabytes(Bytes)}, compute capability {Capability}, driver for CUDA {DriverVersion}");

    private static CudaCard? Find()
    {
        if (!NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out var driver))
        {
            return null;
        }

        try
        {
            nint Function(string name) => NativeLibrary.GetExport(driver, name);
            int device, driverVersion, major, minor;
            nuint bytes;
            var name = stackalloc byte[256];
            return ((delegate* unmanaged<uint, int>)Function("cuInit"))(0) == 0
                && ((delegate* unmanaged<int*, int, int>)Function("cuDeviceGet"))(&device, 0) == 0
                && ((delegate* unmanaged<byte*, int, int, int>)Function("cuDeviceGetName"))(name, 256, device) == 0
                && ((delegate* unmanaged<nuint*, int, int>)Function("cuDeviceTotalMem_v2"))(&bytes, device) == 0
                && ((delegate* unmanaged<int*, int, int, int>)Function("cuDeviceGetAttribute"))(&major, MajorAttribute, device) == 0
                && ((delegate* unmanaged<int*, int, int, int>)Function("cuDeviceGetAttribute"))(&minor, MinorAttribute, device) == 0
                && ((delegate* unmanaged<int*, int>)Function("cuDriverGetVersion"))(&driverVersion) == 0
                ? new(Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name)), (long)bytes, new(major, minor),
                    VersionOf(driverVersion))
                : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    /// <summary>CUDA writes 13.0 as 13000.</summary>
    internal static Version VersionOf(int number) => new(number / 1000, number % 1000 / 10);
}
