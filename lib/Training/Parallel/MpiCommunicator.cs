using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using NotebookLib.Model.Fused;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// Ranks that <c>mpirun</c> started, through Open MPI's library, which is loaded when the first rank asks for the others and not before. One thread makes all
/// calls, so that the library need not be thread-safe (MPI_THREAD_FUNNELED) and moves data while others compute.
/// </summary>
/// <remarks>Open MPI's handles (mpi.h, 4.x and 5.x) are addresses of exported objects; its constants are part of its stable binary interface.</remarks>
internal sealed unsafe partial class MpiCommunicator : ICommunicator
{
    private const int Funneled = 1, Success = 0, LongestError = 256;
    // Counts are 32 bits wide.
    private const long MostElements = 1L << 28;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan EndPatience = TimeSpan.FromMinutes(10);

    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;
    private readonly Peer[] _peers;
    private readonly Stopwatch _asked = new();
    private Library _mpi = null!;
    private volatile bool _hasLeft;

    private MpiCommunicator(int rank, int count)
    {
        (Rank, Count) = (rank, count);
        _thread = new(() =>
        {
            foreach (var work in _work.GetConsumingEnumerable())
            {
                work();
            }
        })
        { IsBackground = true, Name = "MPI" };
        _thread.Start();
        _peers = [];
        Wait(Begin(Open));
        // A mark of the process and of where its number means something.
        var own = new Peer(Environment.MachineName, new FileInfo("/proc/self/ns/pid").LinkTarget ?? "", Environment.ProcessId);
        var all = this.GatherNow(JsonSerializer.SerializeToUtf8Bytes(own));
        _peers = Array.ConvertAll(all, bytes => StrictJson.Deserialize<Peer>(bytes, JsonSerializerOptions.Default));
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Close();
    }

    public int Rank { get; }

    public int Count { get; }

    /// <summary>Meets the other ranks.</summary>
    /// <exception cref="PlatformNotSupportedException">Open MPI's library cannot be loaded.</exception>
    /// <exception cref="LostRankException">Another rank did not come.</exception>
    public static MpiCommunicator Start(int rank, int count) => new(rank, count);

    public Task Sum(Tensor values) => InParts(values, sizeof(float), (address, elements) => Complete(request =>
        _mpi.Sum(Library.InPlace, address, elements, _mpi.Float, _mpi.Addition, _mpi.World, request)));

    public Task Share(Tensor values) => InParts(values, (int)values.element_size(), (address, elements) => Complete(request =>
        _mpi.Broadcast(address, checked(elements * (int)values.element_size()), _mpi.Byte, 0, _mpi.World, request)));

    public Task<byte[][]> Gather(byte[] own) => Begin(() =>
    {
        var lengths = new int[Count];
        lengths[Rank] = own.Length;
        fixed (int* address = lengths)
        {
            var at = (nint)address;
            Complete(request => _mpi.Gather(Library.InPlace, 0, 0, at, sizeof(int), _mpi.Byte, _mpi.World, request));
        }

        var starts = new int[Count];
        for (var rank = 1; rank < Count; rank++)
        {
            starts[rank] = checked(starts[rank - 1] + lengths[rank - 1]);
        }

        var all = new byte[checked(starts[^1] + lengths[^1]) + 1];
        own.CopyTo(all, starts[Rank]);
        fixed (byte* values = all)
        {
            fixed (int* counts = lengths, places = starts)
            {
                var (at, lengthsAt, startsAt) = ((nint)values, (nint)counts, (nint)places);
                Complete(request => _mpi.GatherParts(Library.InPlace, 0, 0, at, lengthsAt, startsAt, _mpi.Byte, _mpi.World, request));
            }
        }

        return lengths.Select((length, rank) => all.AsSpan(starts[rank], length).ToArray()).ToArray();
    });

    public void Wait(Task begun)
    {
        while (Task.WaitAny([begun], Look) < 0)
        {
            ThrowIfLost();
        }

        begun.GetAwaiter().GetResult();
    }

    public void Leave(Exception failure) => _hasLeft = true;

    private Task InParts(Tensor values, int width, Action<nint, int> run) => Begin(() =>
    {
        var (address, left) = ((nint)CpuMemory.Address(values), values.numel());
        while (left > 0)
        {
            var part = (int)Math.Min(left, MostElements / width);
            run(address, part);
            (address, left) = (address + ((nint)part * width), left - part);
        }

        GC.KeepAlive(values);
        return true;
    });

    private Task<T> Begin<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
#pragma warning disable CA1031 // Whoever waits gets it.
            try
            {
                done.SetResult(work());
            }
            catch (Exception error)
            {
                done.SetException(error);
            }
#pragma warning restore CA1031
        });
        return done.Task;
    }

    private bool Open()
    {
        _mpi = Library.Load(Rank, Count);
        // A ring sends each float twice however many ranks there are. In place Open MPI would take a tree, whose every level waits for the one before.
        _ = SetVariable("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "1", overwrite: 0);
        int provided, rank, count;
        Check(_mpi.Initialise(0, 0, Funneled, &provided));
        Check(_mpi.ReturnErrors(_mpi.World, _mpi.ErrorsReturn));
        Check(_mpi.OwnRank(_mpi.World, &rank));
        Check(_mpi.Size(_mpi.World, &count));
        return (rank, count) == (Rank, Count) ? true
            : throw new PlatformNotSupportedException($"mpirun says that this is rank {Rank} of {Count}, {_mpi.Path} says {rank} of {count}. Either "
                + "they are of different installations of Open MPI: start mpirun of the one whose library is found, or set LD_LIBRARY_PATH to the other's; or "
                + "there is no mpirun, and its variables are left from elsewhere: unset OMPI_COMM_WORLD_SIZE and OMPI_COMM_WORLD_RANK.");
    }

    // Waiting in the library would take a core from those who compute.
    private void Complete(Func<nint, int> begin)
    {
        nint request;
        Check(begin((nint)(&request)));
        for (var tries = 0; ; tries++)
        {
            int isDone;
            Check(_mpi.Test(&request, &isDone, 0));
            if (isDone != 0)
            {
                return;
            }

            if (tries < 100)
            {
                Thread.Yield();
            }
            else
            {
                _ = Sleep(50);
            }
        }
    }

    private void Check(int code)
    {
        if (code != Success)
        {
            var text = stackalloc byte[LongestError];
            int length;
            _ = _mpi.Explain(code, text, &length);
            throw new LostRankException($"Open MPI: {Marshal.PtrToStringUTF8((nint)text)}. Another rank may be gone.");
        }
    }

    private void ThrowIfLost()
    {
        var own = _peers.Length == 0 ? null : _peers[Rank];
        for (var rank = 0; rank < _peers.Length; rank++)
        {
            var peer = _peers[rank];
            if (own!.Space.Length > 0 && (peer.Host, peer.Space) == (own.Host, own.Space) && !Directory.Exists($"/proc/{peer.Process}"))
            {
                throw new LostRankException($"Rank {rank} of {Count} (process {peer.Process} on {peer.Host}) is gone: it was killed, or failed by itself.");
            }
        }

        if (Interruption.IsRequested && !_asked.IsRunning)
        {
            _asked.Start();
        }

        if (_asked.Elapsed > StopPatience)
        {
            throw new LostRankException($"This rank, {Rank} of {Count}, was asked to stop, and the others gave no answer for {StopPatience.TotalSeconds} s: "
                + "one of them may be gone; mpirun says which.");
        }
    }

    // Without it mpirun takes the end of the process for a failure, which it is where others still wait for this rank. The first to come waits for the last:
    // rank 0 may have something to publish.
    private void Close()
    {
        if (!_hasLeft && Environment.ExitCode == 0)
        {
            Task.WaitAny([Begin(() => _mpi.Finalise())], EndPatience);
        }
    }

    // .NET's own variables do not reach native code.
    [LibraryImport("libc.so.6", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);

    [LibraryImport("libc.so.6", EntryPoint = "usleep")]
    private static partial int Sleep(uint microseconds);

    private sealed record Peer(string Host, string Space, int Process);

    /// <summary>The functions and handles that are used.</summary>
    private sealed class Library
    {
        private static readonly string[] Names = ["libmpi.so.40", "libmpi.so"];

        // MPI_IN_PLACE.
        public const nint InPlace = 1;

        private readonly nint _library;

        private Library(nint library, string path)
        {
            (_library, Path) = (library, path);
            (World, Float, Byte) = (Export("ompi_mpi_comm_world"), Export("ompi_mpi_float"), Export("ompi_mpi_byte"));
            (Addition, ErrorsReturn) = (Export("ompi_mpi_op_sum"), Export("ompi_mpi_errors_return"));
            Initialise = (delegate* unmanaged[Cdecl]<nint, nint, int, int*, int>)Export("MPI_Init_thread");
            Finalise = (delegate* unmanaged[Cdecl]<int>)Export("MPI_Finalize");
            ReturnErrors = (delegate* unmanaged[Cdecl]<nint, nint, int>)Export("MPI_Comm_set_errhandler");
            OwnRank = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export("MPI_Comm_rank");
            Size = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export("MPI_Comm_size");
            Explain = (delegate* unmanaged[Cdecl]<int, byte*, int*, int>)Export("MPI_Error_string");
            Test = (delegate* unmanaged[Cdecl]<nint*, int*, nint, int>)Export("MPI_Test");
            Sum = (delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, nint, int>)Export("MPI_Iallreduce");
            Broadcast = (delegate* unmanaged[Cdecl]<nint, int, nint, int, nint, nint, int>)Export("MPI_Ibcast");
            Gather = (delegate* unmanaged[Cdecl]<nint, int, nint, nint, int, nint, nint, nint, int>)Export("MPI_Iallgather");
            GatherParts = (delegate* unmanaged[Cdecl]<nint, int, nint, nint, nint, nint, nint, nint, nint, int>)Export("MPI_Iallgatherv");
        }

        public string Path { get; }

        public nint World { get; }

        public nint Float { get; }

        public nint Byte { get; }

        public nint Addition { get; }

        public nint ErrorsReturn { get; }

        public delegate* unmanaged[Cdecl]<nint, nint, int, int*, int> Initialise { get; }

        public delegate* unmanaged[Cdecl]<int> Finalise { get; }

        public delegate* unmanaged[Cdecl]<nint, nint, int> ReturnErrors { get; }

        public delegate* unmanaged[Cdecl]<nint, int*, int> OwnRank { get; }

        public delegate* unmanaged[Cdecl]<nint, int*, int> Size { get; }

        public delegate* unmanaged[Cdecl]<int, byte*, int*, int> Explain { get; }

        public delegate* unmanaged[Cdecl]<nint*, int*, nint, int> Test { get; }

        public delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, nint, int> Sum { get; }

        public delegate* unmanaged[Cdecl]<nint, int, nint, int, nint, nint, int> Broadcast { get; }

        public delegate* unmanaged[Cdecl]<nint, int, nint, nint, int, nint, nint, nint, int> Gather { get; }

        public delegate* unmanaged[Cdecl]<nint, int, nint, nint, nint, nint, nint, nint, nint, int> GatherParts { get; }

        public static Library Load(int rank, int count)
        {
            foreach (var name in Names)
            {
                if (NativeLibrary.TryLoad(name, out var library))
                {
                    return new(library, name);
                }
            }

            throw new PlatformNotSupportedException($"This is rank {rank} of {count} that mpirun started (OMPI_COMM_WORLD_SIZE), but Open MPI's library is not "
                + $"found: {string.Join(", ", Names)}. Install it on every machine (Debian: apt-get install libopenmpi3), or name its folder in "
                + "LD_LIBRARY_PATH; or start without mpirun, in one process.");
        }

        private nint Export(string name) => NativeLibrary.TryGetExport(_library, name, out var address) ? address
            : throw new PlatformNotSupportedException($"{Path} has no {name}: it is not Open MPI 4 or 5, whose mpirun started this process. Put its folder "
                + "first in LD_LIBRARY_PATH.");
    }
}
