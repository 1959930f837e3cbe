using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Kernels.Cuda;

/// <summary>Dropout masks made where they are used: the values are those that the CPU makes.</summary>
internal static unsafe class DeviceMask
{
    private const int Threads = 256;
    private const int MostBlocks = 65_536;

    /// <summary>A mask of a layer's stream.</summary>
    /// <returns>[count], float32: 0 or the scale.</returns>
    public static Tensor Make(IDeviceProgram program, Device device, long count, DropoutStream stream)
    {
        var ((key, second, threshold), scale) = (stream.Keys, stream.Scale);
        return Launch(program, "stream_mask", device, [count], count, key, second, threshold, scale);
    }

    /// <summary>A mask of <see cref="Model.DropoutRandom.NextMask"/>, whose hashes decide two elements each.</summary>
    /// <returns>[shape], float32: 0 or the scale.</returns>
    public static Tensor MakeOfHalves(IDeviceProgram program, Device device, long[] shape, uint key, uint second, uint threshold, float scale)
    {
        var count = shape.Aggregate(1L, (product, side) => product * side);
        return Launch(program, "half_hash_mask", device, shape, (count + 1) / 2, key, second, threshold, scale);
    }

    private static Tensor Launch(IDeviceProgram program, string kernel, Device device, long[] shape, long steps, uint key, uint second, uint threshold,
        float scale)
    {
        var mask = empty(shape, ScalarType.Float32, device);
        var (to, count) = (DeviceMemory.Address(mask), mask.numel());
        var blocks = (int)Math.Min((steps + Threads - 1) / Threads, MostBlocks);
        program.Launch(kernel, (blocks, 1, 1), Threads,
            [(nint)(&to), (nint)(&count), (nint)(&key), (nint)(&second), (nint)(&threshold), (nint)(&scale)]);
        return mask;
    }
}
