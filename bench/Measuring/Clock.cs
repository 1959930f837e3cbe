using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace NotebookLib.Bench.Measuring;

/// <summary>What seconds are: the wall's, or, on a machine that others use at the same time, processor time on one thread (<c>--busy</c>).</summary>
internal static partial class Clock
{
    private const int ThreadProcessorClock = 3; // CLOCK_THREAD_CPUTIME_ID of Linux

    private static bool _isBusy;

    /// <summary>Whether seconds are processor time.</summary>
    public static bool IsBusy => _isBusy;

    /// <summary>
    /// Counts processor time from now on, and keeps libtorch to one thread: two that wait for each other on a busy machine burn time without working.
    /// </summary>
    public static void ExpectBusyMachine()
    {
        _isBusy = true;
        torch.set_num_threads(1);
    }

    /// <summary>Seconds since some moment.</summary>
    public static double Now() => _isBusy ? Environment.CpuUsage.TotalTime.TotalSeconds : Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    /// <summary>Seconds of processor time that the calling thread has used; where a system does not tell (other than Linux), the wall's.</summary>
    public static double OfThisThread()
        => OperatingSystem.IsLinux() && ClockGetTime(ThreadProcessorClock, out var time) == 0
            ? time.Seconds + (time.Nanoseconds / 1e9) : Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ClockGetTime(int clock, out ClockTime time);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct ClockTime
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }

    /// <summary>Seconds of an action.</summary>
    public static double Time(Action action)
    {
        var start = Now();
        action();
        return Now() - start;
    }
}
