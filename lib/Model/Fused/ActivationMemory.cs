using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>
/// Memory of a CPU pass's tensors, kept from pass to pass: what one frees the next takes. From the heap each pass would get pages that the system has to find
/// and clear first, which takes as long as some of the kernels that write to them, and ragged batches of ever new sizes would break it up.
/// </summary>
/// <remarks>
/// The lowest place that fits is taken, so that the part in use stays compact: tensors of a pass live nearly as on a stack. Where the system has large pages
/// (Linux, <c>madvise</c>), it is asked for them.
/// </remarks>
internal static unsafe partial class ActivationMemory
{
    // Only touched pages count: a slab that is too large costs addresses.
    private const long SlabBytes = 1L << 28;
    private const int Alignment = 64, LargePage = 1 << 21;

    /// <summary>Smaller tensors come from the heap, which has them at hand.</summary>
    public const int LeastBytes = 1 << 14;

    private static readonly Lock Gate = new();
    private static readonly List<Slab> Slabs = [];
    private static readonly Dictionary<nint, Block> Taken = [];
    private static int s_keepers;

    /// <summary>Bytes reserved, touched or not.</summary>
    public static long ReservedBytes
    {
        get
        {
            lock (Gate)
            {
                return Slabs.Sum(slab => slab.Bytes);
            }
        }
    }

    /// <summary>Until the result is disposed freed memory stays for what comes next; around a training or an evaluation.</summary>
    public static IDisposable Keep()
    {
        lock (Gate)
        {
            s_keepers++;
        }

        return new Ending(static () =>
        {
            lock (Gate)
            {
                if (--s_keepers == 0)
                {
                    foreach (var slab in Slabs.Where(slab => slab.IsFree).ToList())
                    {
                        Release(slab);
                    }
                }
            }
        });
    }

    /// <summary>An uninitialised tensor on the CPU; its memory comes back when its last handle is gone, on whatever thread.</summary>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Its shape.</param>
    public static Tensor New(ScalarType type, ReadOnlySpan<long> shape)
    {
        var bytes = type switch { ScalarType.Float32 => 4L, ScalarType.BFloat16 => 2, ScalarType.Byte => 1, _ => 0 }; // Others come from the heap.
        foreach (var size in shape)
        {
            bytes *= size;
        }

        var address = bytes < LeastBytes ? 0 : Take((bytes + Alignment - 1) / Alignment * Alignment);
        if (address == 0)
        {
            return empty(shape.ToArray(), type, CPU);
        }

        fixed (long* sizes = shape)
        {
            var handle = FromMemory(address, &GiveBack, (nint)sizes, shape.Length, (sbyte)type, (sbyte)type, (int)TorchSharp.DeviceType.CPU, -1, 0);
            if (handle == 0)
            {
                GiveBackTo(address);
                CheckForErrors();
            }

            return Tensor.UnsafeCreateTensor(handle);
        }
    }

    private static nint Take(long bytes)
    {
        lock (Gate)
        {
            if (s_keepers == 0)
            {
                return 0;
            }

            var block = Slabs.Select(slab => slab.Find(bytes)).FirstOrDefault(found => found is not null) ?? Reserve(bytes)?.Find(bytes);
            if (block is null)
            {
                return 0;
            }

            block.Take(bytes);
            Taken.Add(block.Address, block);
            return block.Address;
        }
    }

    private static Slab? Reserve(long bytes)
    {
        var size = (Math.Max(SlabBytes, bytes) + LargePage - 1) / LargePage * LargePage;
        try
        {
            var slab = new Slab((nint)NativeMemory.AlignedAlloc((nuint)size, LargePage), size);
            // A wish: where it is not granted, pages are small.
            _ = NativeEnvironment.IsGlibc ? Advise(slab.Address, (nuint)size, HugePages) : 0;
            Slabs.Add(slab);
            return slab;
        }
        catch (OutOfMemoryException)
        {
            return null; // The heap may still have room for this one.
        }
    }

    private static void Release(Slab slab)
    {
        Slabs.Remove(slab);
        NativeMemory.AlignedFree((void*)slab.Address);
    }

    private static void GiveBackTo(nint address)
    {
        lock (Gate)
        {
            Taken.Remove(address, out var block);
            Debug.Assert(block is not null, "given back twice");
            block!.GiveBack();
            if (s_keepers == 0 && block.Slab.IsFree)
            {
                Release(block.Slab);
            }
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void GiveBack(void* memory) => GiveBackTo((nint)memory);

    // LibTorchSharp, THSTensor.cpp: torch::from_blob(data, sizes, deleter).
    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_new")]
    private static partial nint FromMemory(nint data, delegate* unmanaged[Cdecl]<void*, void> deleter, nint sizes, int dimensions, sbyte type, sbyte wanted,
        int device, int deviceIndex, byte requiresGrad);

    // MADV_HUGEPAGE of <sys/mman.h>.
    private const int HugePages = 14;

    [LibraryImport("libc.so.6", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint bytes, int advice);

    private sealed class Slab
    {
        private readonly Block _first;

        public Slab(nint address, long bytes)
        {
            (Address, Bytes) = (address, bytes);
            _first = new Block(this, address, bytes);
        }

        public nint Address { get; }

        public long Bytes { get; }

        public bool IsFree => !_first.IsTaken && _first.Bytes == Bytes;

        public Block? Find(long bytes)
        {
            for (var block = _first; block is not null; block = block.Next)
            {
                if (!block.IsTaken && block.Bytes >= bytes)
                {
                    return block;
                }
            }

            return null;
        }
    }

    // A stretch of a slab, taken or free; no two free ones lie side by side.
    private sealed class Block(Slab slab, nint address, long bytes)
    {
        public Slab Slab { get; } = slab;

        public nint Address { get; } = address;

        public long Bytes { get; private set; } = bytes;

        public bool IsTaken { get; private set; }

        public Block? Next { get; private set; }

        private Block? Previous { get; set; }

        public void Take(long wanted)
        {
            IsTaken = true;
            if (Bytes > wanted)
            {
                var rest = new Block(Slab, Address + (nint)wanted, Bytes - wanted) { Previous = this, Next = Next };
                if (Next is { } next)
                {
                    next.Previous = rest;
                }

                (Bytes, Next) = (wanted, rest);
            }
        }

        public void GiveBack()
        {
            IsTaken = false;
            if (Next is { IsTaken: false })
            {
                SwallowNext();
            }

            if (Previous is { IsTaken: false } previous)
            {
                previous.SwallowNext();
            }
        }

        private void SwallowNext()
        {
            Bytes += Next!.Bytes;
            Next = Next.Next;
            if (Next is { } next)
            {
                next.Previous = this;
            }
        }
    }
}
