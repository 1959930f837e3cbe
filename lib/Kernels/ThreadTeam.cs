using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NotebookLib.Platform;

namespace NotebookLib.Kernels;

/// <summary>
/// Runs C# loops on libtorch's own OpenMP threads. A second pool (the .NET thread pool) would fight the OpenMP workers for the same cores: they spin for
/// milliseconds after each matrix product. Where libgomp is not what libtorch uses (Windows, macOS), <see cref="Parallel"/> takes over.
/// </summary>
/// <remarks>GOMP_parallel: gcc libgomp/parallel.c; the entry point that compiled "#pragma omp parallel" calls.</remarks>
internal static unsafe class ThreadTeam
{
    private static readonly delegate* unmanaged<delegate* unmanaged<void*, void>, void*, uint, uint, void> Fork;

    static ThreadTeam()
    {
        if (OperatingSystem.IsLinux()
            && Directory.EnumerateFiles(NativeLibraries.TorchFolder, "libgomp*.so*").FirstOrDefault() is { } path
            && NativeLibrary.TryLoad(path, out var library)
            && NativeLibrary.TryGetExport(library, "GOMP_parallel", out var fork))
        {
            Fork = (delegate* unmanaged<delegate* unmanaged<void*, void>, void*, uint, uint, void>)fork;
        }
    }

    /// <summary>How many threads share the work: libtorch's intra-operation threads.</summary>
    public static int Size => Math.Max(1, TorchSharp.torch.get_num_threads());

    /// <summary>
    /// Calls <paramref name="body"/> once for each part in [0, parts), the parts spread over the team; returns when all are done, also where some throw.
    /// </summary>
    /// <exception cref="AggregateException">One or more parts threw.</exception>
    public static void Run(int parts, Action<int> body)
    {
        var threads = Math.Min(Size, parts);
        var work = new Work(parts, body);
        if (threads <= 1)
        {
            work.TakeParts();
        }
        else if (Fork == null)
        {
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ => work.TakeParts());
        }
        else
        {
            var handle = GCHandle.Alloc(work);
            try
            {
                Fork(Enter, (void*)GCHandle.ToIntPtr(handle), (uint)threads, 0);
            }
            finally
            {
                handle.Free();
            }
        }

        work.ThrowIfFailed();
    }

    /// <summary>How many ranges <see cref="RunRanges"/> makes of <paramref name="count"/> items.</summary>
    public static int RangeCount(int count, int smallest) => (count + RangeLength(count, smallest) - 1) / RangeLength(count, smallest);

    /// <summary>Splits [0, count) into contiguous ranges, a few per thread, and calls <paramref name="body"/>(range, start, end) for each.</summary>
    /// <param name="count">Number of items.</param>
    /// <param name="smallest">No range is shorter than this (but the last), so that tiny loops stay on one thread.</param>
    /// <param name="body">Works on items start … end−1; the range's number tells where its partial results go.</param>
    /// <exception cref="AggregateException">One or more ranges threw.</exception>
    public static void RunRanges(int count, int smallest, Action<int, int, int> body)
    {
        var length = RangeLength(count, smallest);
        Run(RangeCount(count, smallest), part => body(part, part * length, Math.Min(count, (part + 1) * length)));
    }

    private static int RangeLength(int count, int smallest) => Math.Max(smallest, (count + (4 * Size) - 1) / (4 * Size));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void EnterTyped(void* state) => ((Work)GCHandle.FromIntPtr((nint)state).Target!).TakeParts();

    private static delegate* unmanaged<void*, void> Enter => (delegate* unmanaged<void*, void>)(delegate* unmanaged[Cdecl]<void*, void>)&EnterTyped;

    private sealed class Work(int parts, Action<int> body)
    {
        private int _next;
        private List<Exception>? _errors;

        public void TakeParts()
        {
            for (var part = Interlocked.Increment(ref _next) - 1; part < parts; part = Interlocked.Increment(ref _next) - 1)
            {
                // An exception must not cross into libgomp: it would end the process.
#pragma warning disable CA1031
                try
                {
                    body(part);
                }
                catch (Exception error)
                {
                    lock (body)
                    {
                        (_errors ??= []).Add(error);
                    }
                }
#pragma warning restore CA1031
            }
        }

        public void ThrowIfFailed()
        {
            if (_errors is not null)
            {
                throw new AggregateException(_errors);
            }
        }
    }
}
