using System.Diagnostics;
using System.Globalization;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Tracking;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// A million rows in a loop, faster than any training logs: what a row costs the thread that logs it, whether memory stays flat, and whether all of them
/// arrive.
/// </summary>
internal sealed class TrackingSection : ISection
{
    private const double MostMicroseconds = 20;
    private const double MostGrowthMegabytes = 32;

    public string Verb => "tracking";

    public string Title => "A million tracked rows";

    public SectionReport Measure(BenchOptions options)
    {
        var count = options.IsQuick ? 100_000 : 1_000_000;
        List<Run> runs = [Offline(count), Online(count)];
        var report = new SectionReport();
        report.Tables.Add(new(
            $"{count:N0} rows of five numbers, logged without a pause. Growth: heap after a collection at the end, less that after a tenth.",
            new(
                ["", "µs a row, by the clock", "µs a row, the thread's processor time", "all threads' processor time", "longest call, ms", "heap growth, MB",
                    "resident, MB", "rows kept", "rows on the server", "finish, s"],
                [.. runs.Select(run => run.Cells())])));
        report.Notes.Add("The server is one on this machine that counts lines. The longest call holds what the garbage collector and other processes take; "
            + "with --busy the thread's processor time is judged.");
        foreach (var run in runs)
        {
            report.Targets.Add(
                Target.AtMost($"{run.Mode}: a row on the calling thread", MostMicroseconds, Clock.IsBusy ? run.ThreadMicroseconds : run.MicrosecondsPerRow,
                "µs"));
            report.Targets.Add(
                Target.AtMost($"{run.Mode}: growth of the heap over nine tenths of the rows", MostGrowthMegabytes, run.GrowthMegabytes, "MB", "0.0"));
            report.Targets.Add(Target.AtMost($"{run.Mode}: rows lost", 0, run.Lost(count), "", "0"));
        }

        return report;
    }

    private static Run Offline(int count)
    {
        var folder = Directory.CreateTempSubdirectory("bench-rows-");
        var run = Log("offline", count, Settings(folder) with { Mode = TrackingMode.Offline }, null);
        folder.Delete(recursive: true);
        return run;
    }

    private static Run Online(int count)
    {
        var folder = Directory.CreateTempSubdirectory("bench-rows-");
        using var server = new SwallowingServer();
        var key = TrackingSettings.KeyOf("0123456789012345678901234567890123456789");
        var settings = Settings(folder) with { Mode = TrackingMode.Online, Key = key, BaseUrl = server.Url, SendSeconds = 1 };
        var run = Log("online", count, settings, server);
        folder.Delete(recursive: true);
        return run;
    }

    private static TrackingSettings Settings(DirectoryInfo folder) => new() { Directory = folder.FullName, Project = "bench", Notice = _ => { } };

    private static Run Log(string mode, int count, TrackingSettings settings, SwallowingServer? server)
    {
        var run = TrackedRun.Start(settings);
        var row = new Dictionary<string, object?>();
        var (heap, longest, calls) = (0L, 0L, 0L);
        var (processor, thread) = (Environment.CpuUsage.TotalTime, Clock.OfThisThread());
        for (var i = 0; i < count; i++)
        {
            if (i == count / 10)
            {
                var before = Clock.OfThisThread();
                heap = GC.GetTotalMemory(forceFullCollection: true);
                thread += Clock.OfThisThread() - before;
            }

            var start = Stopwatch.GetTimestamp();
            row["train/loss"] = 1.0 / (i + 1);
            row["train/learning_rate"] = 5e-5 * (count - i) / count;
            row["train/epoch"] = 3.0 * i / count;
            row["train/global_step"] = i;
            row["train/grad_norm"] = 1.0;
            run.Log(row);
            var elapsed = Stopwatch.GetTimestamp() - start;
            (longest, calls) = (Math.Max(longest, elapsed), calls + elapsed);
        }

        thread = Clock.OfThisThread() - thread;
        var growth = GC.GetTotalMemory(forceFullCollection: true) - heap;
        var resident = Environment.WorkingSet;
        var clock = Stopwatch.StartNew();
        run.FinishAsync().AsTask().GetAwaiter().GetResult();
        run.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return new(
            mode, 1e6 * calls / Stopwatch.Frequency / count, 1e6 * thread / count, (Environment.CpuUsage.TotalTime - processor).TotalMicroseconds / count,
            1e3 * longest / Stopwatch.Frequency, growth / 1e6,
            resident / 1e6, run.Status().RowsKept, server?.Rows, server?.Gaps ?? 0, clock.Elapsed.TotalSeconds);
    }

    private sealed record Run(
        string Mode, double MicrosecondsPerRow, double ThreadMicroseconds, double ProcessorMicroseconds, double LongestMilliseconds, double GrowthMegabytes,
        double ResidentMegabytes, long Kept, long? OnServer, long Gaps,
        double FinishSeconds)
    {
        public double Lost(int count) => count - Math.Min(Kept, OnServer ?? Kept) + Gaps;

        public IReadOnlyList<string> Cells() =>
        [
            Mode, Text(MicrosecondsPerRow, "0.00"), Text(ThreadMicroseconds, "0.00"), Text(ProcessorMicroseconds, "0.00"), Text(LongestMilliseconds, "0.0"),
            Text(GrowthMegabytes, "0.0"), Text(ResidentMegabytes, "0"),
            Text(Kept, "N0"), OnServer is { } rows ? Text(rows, "N0") : "–", Text(FinishSeconds, "0.0"),
        ];

        private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
    }
}
