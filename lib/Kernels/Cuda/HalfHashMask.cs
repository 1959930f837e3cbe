using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Kernels.Cuda;

/// <summary>A mask of <see cref="Model.DropoutRandom"/>, made where it is used.</summary>
internal static unsafe class HalfHashMask
{
    private const int Threads = 256;

    /// <summary>Makes it.</summary>
    /// <returns>[shape], float32: 0 or the scale.</returns>
    public static Tensor Make(IDeviceProgram program, Device device, long[] shape, uint key, uint second, uint threshold, float scale)
    {
        var mask = empty(shape, ScalarType.Float32, device);
        var (to, count) = (DeviceMemory.Address(mask), mask.numel());
        var blocks = (int)Math.Min(((count + 1) / 2 + Threads - 1) / Threads, 65_536);
        program.Launch("half_hash_mask", (blocks, 1, 1), Threads,
            [(nint)(&to), (nint)(&count), (nint)(&key), (nint)(&second), (nint)(&threshold), (nint)(&scale)]);
        return mask;
    }
}
