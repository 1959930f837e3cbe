using System.Diagnostics;
using TorchSharp;

namespace NotebookLib.Bench.Measuring;

/// <summary>What seconds are: the wall's, or, on a machine that others use at the same time, processor time on one thread (<c>--busy</c>).</summary>
internal static class Clock
{
    private static bool _isBusy;

    /// <summary>Counts processor time from now on, and keeps libtorch to one thread: two that wait for each other on a busy machine burn time without working.</summary>
    public static void ExpectBusyMachine()
    {
        _isBusy = true;
        torch.set_num_threads(1);
    }

    /// <summary>Seconds since some moment.</summary>
    public static double Now() => _isBusy ? Environment.CpuUsage.TotalTime.TotalSeconds : Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    /// <summary>Seconds of an action.</summary>
    public static double Time(Action action)
    {
        var start = Now();
        action();
        return Now() - start;
    }
}
