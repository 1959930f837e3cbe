namespace NotebookLib.Kernels.Cuda;

/// <summary>The compiled kernels of <c>layers.cu</c>: on a card, or in a test as fibers on the CPU.</summary>
internal interface IDeviceProgram
{
    /// <summary>Puts a kernel into the device's queue; returns at once.</summary>
    /// <param name="kernel">Its name in <c>layers.cu</c>.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="arguments">Addresses of the arguments' values, which are read before the call returns.</param>
    void Launch(string kernel, (int X, int Y, int Z) grid, int threads, ReadOnlySpan<nint> arguments);
}
