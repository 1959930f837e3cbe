using System.Globalization;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Platform;

namespace NotebookLib.Bench.Sections;

/// <summary>Where the time of a training step goes, part by part.</summary>
internal sealed class ProfileSection : ISection
{
    public string Verb => "profile";

    public string Title => "Time by part of a training step";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        var report = new SectionReport();
        foreach (var kind in TrainingKind.All.Where(kind => options.Wants(kind.Name)))
        {
            var batches = corpus.TrainingBatches(kind.BatchSize, options.IsQuick ? 2 : kind.Accumulation);
            using var model = TrainingPair.OurModel(kind);
            using var trainer = new OurTrainer(model, batches, kind.Accumulation);
            var half = Profile(trainer, batches.Count, isHalf: true);
            var single = Profile(trainer, batches.Count, isHalf: false);
            var rows = half.Parts.OrderByDescending(part => part.Value.Seconds).Select(part => (IReadOnlyList<string>)
                [part.Key.Length == 0 ? "everything else" : part.Key, $"{part.Value.Calls / batches.Count}", .. Cells(part.Value.Seconds, half, batches.Count),
                    .. Cells(single.Parts.GetValueOrDefault(part.Key).Seconds, single, batches.Count)]).ToList();
            rows.Add(["all", "", .. Cells(half.Seconds, half, batches.Count), .. Cells(single.Seconds, single, batches.Count)]);
            report.Tables.Add(new(
                $"{kind.Name}: {batches.Count} micro-batches of {kind.BatchSize} sentences and the update, milliseconds for each micro-batch, "
                    + "the part's own time. "
                    + Invariant($"New memory pages for each micro-batch: bf16 {half.PageFaults / batches.Count:N0}, ")
                        + Invariant($"float32 {single.PageFaults / batches.Count:N0}."),
                new(["", "calls", "bf16, ms", "%", "float32, ms", "%"], rows)));
        }

        return report;
    }

    private sealed record Result(IReadOnlyDictionary<string, (double Seconds, int Calls)> Parts, double PageFaults)
    {
        public double Seconds => Parts.Values.Sum(part => part.Seconds);
    }

    private static Result Profile(OurTrainer trainer, int microBatches, bool isHalf)
    {
        // After the first one the heap is trimmed; the second has its pages anew.
        Update(trainer, microBatches, isHalf);
        Update(trainer, microBatches, isHalf);
        var faults = PageFaults();
        StepClock.Listen(Clock.Now);
        Update(trainer, microBatches, isHalf);
        return new(StepClock.Stop(), PageFaults() - faults);
    }

    private static void Update(OurTrainer trainer, int microBatches, bool isHalf)
    {
        foreach (var (first, count) in trainer.Passes(microBatches, isHalf))
        {
            trainer.MicroBatches(first, count, isHalf);
        }

        trainer.Update();
    }

    private static string[] Cells(double seconds, Result whole, int microBatches) =>
        [(seconds / microBatches * 1000).ToString("0.0", CultureInfo.InvariantCulture),
            (seconds / whole.Seconds * 100).ToString("0.0", CultureInfo.InvariantCulture)];

    // proc(5), /proc/self/stat field 10: minor faults; the fields before it hold no further bracket than the name's.
    private static double PageFaults()
    {
        const string path = "/proc/self/stat";
        return File.Exists(path) ? double.Parse(File.ReadAllText(path).Split(") ")[^1].Split(' ')[7], CultureInfo.InvariantCulture) : double.NaN;
    }
}
