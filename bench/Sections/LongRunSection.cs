using System.Diagnostics;
using System.Globalization;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Reports;
using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Tokenization;
using NotebookLib.Tracking;
using NotebookLib.Training;
using TorchSharp;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// Thousands of updates of the demo's model by the trainer itself, evaluated, checkpointed and tracked by the way: what the process holds, and how fast it
/// trains, at ten moments. A leak of a tensor, a handle or a thread would show as a slope.
/// </summary>
internal sealed class LongRunSection : ISection
{
    private const int Updates = 5_000;
    private const int Moments = 10;

    // Over the second half: in the first the code is compiled, tables for each length are made, and the allocator's heap finds its size.
    private const double MostMemoryGrowth = 16e6;
    private const double MostSlowing = 1.15;

    public string Verb => "long-run";

    public string Title => "Five thousand updates";

    public SectionReport Measure(BenchOptions options)
    {
        var updates = options.IsQuick ? Updates / 10 : Updates;
        var folder = Directory.CreateTempSubdirectory("bench-long-run-");
        using var server = new SwallowingServer();
        var moments = Train(updates, folder.FullName, server);
        folder.Delete(recursive: true);
        var report = new SectionReport();
        report.Tables.Add(new(
            $"The demo's model, 16 sentences an update, {updates:N0} updates; every tenth logged, {Moments} evaluations and checkpoints, tracked online.",
            new(["updates", "tokens/s", "resident, MB", "managed heap, MB", "live tensors", "open files", "threads"], [.. moments.Select(Cells)])));
        var (middle, last) = (moments[(Moments / 2) - 1], moments[^1]);
        report.Targets.Add(
            Target.AtMost("resident memory, growth over the second half", MostMemoryGrowth / 1e6, (last.Resident - middle.Resident) / 1e6, "MB", "0.0"));
        report.Targets.Add(Target.AtMost("live tensors, growth over the second half", 0, last.Tensors - middle.Tensors, "", "0"));
        report.Targets.Add(Target.AtMost("open files, growth over the second half", 0, last.Files - middle.Files, "", "0"));
        report.Targets.Add(Target.AtMost("threads, growth over the second half", 2, last.Threads - middle.Threads, "", "0"));
        report.Targets.Add(Target.AtMost("time of an update, last tenth over the fifth", MostSlowing, middle.Speed / last.Speed, "×", "0.00"));
        report.Targets.Add(Target.AtMost("tracked rows lost", 0, server.Gaps, "", "0"));
        return report;
    }

    private static List<Moment> Train(int updates, string folder, SwallowingServer server)
    {
        var start = Folders.PathOf("data", "tiny-deberta-v3");
        var encoder = new SentenceEncoder(DebertaTokenizer.Load(start));
        using var model = ModelFolder.Load(start, new LoadOptions { Labels = LabelSet.SystemA, HeadSeed = 42, DropoutSeed = 42 }).Model;
        var run = TrackedRun.Start(new TrackingSettings
        {
            Mode = TrackingMode.Online,
            Key = TrackingSettings.KeyOf("0123456789012345678901234567890123456789"),
            BaseUrl = server.Url,
            Project = "bench",
            Directory = folder,
            Notice = _ => { },
        });
        var settings = new TrainingSettings
        {
            BatchSize = 16,
            AccumulationSteps = 1,
            MaximumUpdates = updates,
            LearningRate = 1e-3,
            LogEvery = 10,
            EvaluateEvery = updates / Moments,
            SaveEvery = updates / Moments,
            KeepCheckpoints = 1,
            OutputFolder = Path.Combine(folder, "output"),
        };
        using var tracking = new TrackingObserver(run);
        var watch = new Watch(updates / Moments);
        _ = new Trainer(model, LabelSet.SystemA, Rows("train", 8_000), Rows("validation", 200), settings, tracking, watch).Train();
        run.FinishAsync().AsTask().GetAwaiter().GetResult();
        run.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return watch.Moments;

        IReadOnlyList<EncodedSentence> Rows(string name, int most)
        {
            var path = Folders.PathOf("data", "sample", $"{name}.parquet");
            return encoder.EncodeAll([.. SentenceReader.Open(path, LabelSet.SystemA, new ReaderOptions { Rows = RowListing.AsListed }).Take(most)]);
        }
    }

    private static string[] Cells(Moment moment) =>
    [
        moment.Update.ToString("N0", CultureInfo.InvariantCulture), moment.Speed.ToString("0", CultureInfo.InvariantCulture),
        Megabytes(moment.Resident), Megabytes(moment.Heap), moment.Tensors.ToString(CultureInfo.InvariantCulture),
        moment.Files.ToString(CultureInfo.InvariantCulture), moment.Threads.ToString(CultureInfo.InvariantCulture),
    ];

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture);

    private sealed record Moment(int Update, double Speed, long Resident, long Heap, long Tensors, int Files, int Threads);

    /// <summary>Looks at the process at each moment, before its evaluation.</summary>
    private sealed class Watch(int every) : ITrainingObserver
    {
        private readonly List<double> _speeds = [];

        public List<Moment> Moments { get; } = [];

        public void StepLogged(LoggedStep logged)
        {
            _speeds.Add(logged.TokensPerSecond);
            if (logged.Update % every != 0)
            {
                return;
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var process = Process.GetCurrentProcess();
            var files = OperatingSystem.IsLinux() ? Directory.EnumerateFileSystemEntries("/proc/self/fd").Count() : process.HandleCount;
            Moments.Add(new(logged.Update, _speeds.Average(), ResidentMemory.CurrentBytes,
                GC.GetTotalMemory(forceFullCollection: false), DisposeScopeManager.Statistics.ThreadTotalLiveCount, files, process.Threads.Count));
            _speeds.Clear();
        }
    }
}
