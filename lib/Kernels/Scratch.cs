using System.Runtime.InteropServices;

namespace NotebookLib.Kernels;

/// <summary>Working memory of a thread: grows to the largest request and stays, so that kernels allocate nothing in a step.</summary>
internal static unsafe class Scratch
{
    [ThreadStatic]
    private static Block? _block;

    /// <summary>At least <paramref name="floats"/> floats, aligned to a cache line, content undefined; valid until this thread's next call.</summary>
    public static float* Rent(int floats)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(floats);
        if (_block is null || _block.Floats < floats)
        {
            _block = new Block(floats);
        }

        return _block.Memory;
    }

    // A class, so that the memory goes back when its thread is gone.
    private sealed class Block
    {
        public Block(int floats)
        {
            Floats = floats;
            Memory = (float*)NativeMemory.AlignedAlloc((nuint)floats * sizeof(float), 64);
        }

        ~Block() => NativeMemory.AlignedFree(Memory);

        public int Floats { get; }

        public float* Memory { get; }
    }
}
