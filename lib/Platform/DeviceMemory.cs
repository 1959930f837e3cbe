using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Platform;

/// <summary>Addresses on a device, and ways there that wait for nobody.</summary>
internal static class DeviceMemory
{
    /// <summary>Address of a contiguous tensor's first element, on whatever device; valid while the tensor lives.</summary>
    public static nint Address(Tensor tensor) => Data(tensor.Handle);

    /// <summary>Sends a tensor to a device; the host does not wait for the copy, nor for what is queued there.</summary>
    /// <param name="onHost">Contiguous, on the CPU; disposed.</param>
    /// <param name="device">Where to.</param>
    /// <returns>Outside every dispose scope.</returns>
    public static Tensor Send(Tensor onHost, Device device)
    {
        if (device.type == DeviceType.CPU)
        {
            return onHost.DetachFromDisposeScope();
        }

        using (onHost)
        {
            // Freed memory of this kind is used again only when its copy is over: libtorch's host allocator sees to it.
            using var pinned = onHost.pin_memory();
            return pinned.to(device, false, false, true).DetachFromDisposeScope();
        }
    }

    [DllImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    private static extern nint Data(nint handle);
}
