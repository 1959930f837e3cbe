using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Platform;

/// <summary>How full a CUDA device is, all its processes together, as its driver tells. libtorch keeps what it frees: that counts as used.</summary>
/// <param name="FreeBytes">Memory that can still be had.</param>
/// <param name="TotalBytes">Memory that there is.</param>
/// <param name="Utilisation">Share of the last moments in which the device computed, 0 to 1; null where the driver does not tell.</param>
internal sealed record DeviceUsage(long FreeBytes, long TotalBytes, double? Utilisation)
{
    private static readonly Lazy<Driver?> Known = new(Driver.Find);

    /// <summary>Memory in use.</summary>
    public long UsedBytes => TotalBytes - FreeBytes;

    /// <summary>Asks the driver; waits for nothing that is queued on the device.</summary>
    /// <returns>Null on a CPU, and where the driver does not answer.</returns>
    public static DeviceUsage? Of(Device device) => device.type == DeviceType.CUDA ? Known.Value?.Ask(Math.Max(0, device.index)) : null;

    /// <summary>The major number of a CUDA device's compute capability: 8 for Ampere, 9 for Hopper. Null as above.</summary>
    public static int? ComputeCapability(Device device) => device.type == DeviceType.CUDA ? Known.Value?.MajorOf(Math.Max(0, device.index)) : null;

    private sealed unsafe class Driver
    {
        private readonly nint _cuda;
        private readonly nint _management;

        private Driver(nint cuda, nint management) => (_cuda, _management) = (cuda, management);

        public static Driver? Find()
        {
            var isWindows = OperatingSystem.IsWindows();
            if (!NativeLibrary.TryLoad(isWindows ? "nvcuda.dll" : "libcuda.so.1", out var cuda)
                || ((delegate* unmanaged<uint, int>)NativeLibrary.GetExport(cuda, "cuInit"))(0) != 0)
            {
                return null;
            }

            var hasManagement = NativeLibrary.TryLoad(isWindows ? "nvml.dll" : "libnvidia-ml.so.1", out var management)
                && ((delegate* unmanaged<int>)NativeLibrary.GetExport(management, "nvmlInit_v2"))() == 0;
            return new(cuda, hasManagement ? management : 0);
        }

        public DeviceUsage? Ask(int index)
        {
            int device;
            nint context, popped;
            nuint free, total;
            // libtorch holds the primary context anyway: this takes the same one, for as long as the process lives.
            if (((delegate* unmanaged<int*, int, int>)Export("cuDeviceGet"))(&device, index) != 0
                || ((delegate* unmanaged<nint*, int, int>)Export("cuDevicePrimaryCtxRetain"))(&context, device) != 0
                || ((delegate* unmanaged<nint, int>)Export("cuCtxPushCurrent_v2"))(context) != 0)
            {
                return null;
            }

            var result = ((delegate* unmanaged<nuint*, nuint*, int>)Export("cuMemGetInfo_v2"))(&free, &total);
            _ = ((delegate* unmanaged<nint*, int>)Export("cuCtxPopCurrent_v2"))(&popped);
            _ = ((delegate* unmanaged<int, int>)Export("cuDevicePrimaryCtxRelease_v2"))(device);
            return result == 0 ? new((long)free, (long)total, UtilisationOf(device)) : null;
        }

        public int? MajorOf(int index)
        {
            const int MajorOfComputeCapability = 75;
            int device, major;
            return ((delegate* unmanaged<int*, int, int>)Export("cuDeviceGet"))(&device, index) == 0
                && ((delegate* unmanaged<int*, int, int, int>)Export("cuDeviceGetAttribute"))(&major, MajorOfComputeCapability, device) == 0
                ? major
                : null;
        }

        // The two libraries number the devices differently (CUDA_VISIBLE_DEVICES): they meet at the place on the bus.
        private double? UtilisationOf(int device)
        {
            if (_management == 0)
            {
                return null;
            }

            var place = stackalloc byte[32];
            nint handle;
            var shares = stackalloc uint[2];
            return ((delegate* unmanaged<byte*, int, int, int>)Export("cuDeviceGetPCIBusId"))(place, 32, device) == 0
                && ((delegate* unmanaged<byte*, nint*, int>)NativeLibrary.GetExport(_management, "nvmlDeviceGetHandleByPciBusId_v2"))(place, &handle) == 0
                && ((delegate* unmanaged<nint, uint*, int>)NativeLibrary.GetExport(_management, "nvmlDeviceGetUtilizationRates"))(handle, shares) == 0
                ? shares[0] / 100.0
                : null;
        }

        private nint Export(string name) => NativeLibrary.GetExport(_cuda, name);
    }
}
