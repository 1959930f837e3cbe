using System.Globalization;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Reports;
using NotebookLib.Platform;
using TorchSharp;

namespace NotebookLib.Bench.Sections;

/// <summary>Resident memory and live tensors over many updates, each on another micro-batch of real sentences.</summary>
internal sealed class EnduranceSection : ISection
{
    public string Verb => "endurance";

    public string Title => "Memory over many updates";

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        foreach (var (kind, updates, microBatches) in ((TrainingKind, int, int)[])[(TrainingKind.XSmall, 500, 1), (TrainingKind.LargeLora, 20, 8)])
        {
            if (options.Wants(kind.Name))
            {
                report.Tables.Add(MeasureKind(kind, options.IsQuick ? updates / 10 : updates, microBatches));
            }
        }

        return report;
    }

    private static CaptionedTable MeasureKind(TrainingKind kind, int updates, int microBatches)
    {
        var batches = Corpus.Load().TrainingBatches(kind.BatchSize, updates * microBatches);
        using var model = TrainingPair.OurModel(kind);
        using var trainer = new OurTrainer(model, batches, microBatches);
        var rows = new List<IReadOnlyList<string>>();
        ResidentMemory.TryResetPeak();
        for (var i = 0; i < batches.Count; i++)
        {
            trainer.MicroBatch(i, isHalf: true);
            if ((i + 1) % microBatches != 0)
            {
                continue;
            }

            trainer.Update();
            var update = (i + 1) / microBatches;
            if (update % Math.Max(1, updates / 10) == 0)
            {
                rows.Add([update.ToString(CultureInfo.InvariantCulture), Gigabytes(ResidentMemory.CurrentBytes), Gigabytes(ResidentMemory.PeakBytes),
                    DisposeScopeManager.Statistics.ThreadTotalLiveCount.ToString(CultureInfo.InvariantCulture)]);
            }
        }

        return new($"{kind.Name}, bf16: updates of {microBatches} × {kind.BatchSize} sentences, no two micro-batches alike.",
            new(["updates", "GB now", "GB at the peak so far", "live tensors"], rows));
    }

    private static string Gigabytes(long bytes) => (bytes / 1e9).ToString("0.000", CultureInfo.InvariantCulture);
}
