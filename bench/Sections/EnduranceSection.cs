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
        foreach (var (kind, updates) in ((TrainingKind, int)[])[(TrainingKind.XSmall, 500), (TrainingKind.LargeLora, 100)])
        {
            if (options.Wants(kind.Name))
            {
                report.Tables.Add(MeasureKind(kind, options.IsQuick ? updates / 10 : updates));
            }
        }

        return report;
    }

    private static CaptionedTable MeasureKind(TrainingKind kind, int updates)
    {
        var batches = Corpus.Load().TrainingBatches(kind.BatchSize, updates);
        using var model = TrainingPair.OurModel(kind);
        using var trainer = new OurTrainer(model, batches, 1);
        var rows = new List<IReadOnlyList<string>>();
        ResidentMemory.TryResetPeak();
        for (var i = 0; i < batches.Count; i++)
        {
            trainer.MicroBatch(i, isHalf: true);
            trainer.Update();
            if ((i + 1) % (updates / 10) == 0)
            {
                rows.Add([(i + 1).ToString(CultureInfo.InvariantCulture), Gigabytes(ResidentMemory.CurrentBytes), Gigabytes(ResidentMemory.PeakBytes),
                    DisposeScopeManager.Statistics.ThreadTotalLiveCount.ToString(CultureInfo.InvariantCulture)]);
            }
        }

        return new($"{kind.Name}, bf16: updates of one micro-batch of {kind.BatchSize} sentences, no two alike.", new(["updates", "GB now", "GB at the peak so far", "live tensors"], rows));
    }

    private static string Gigabytes(long bytes) => (bytes / 1e9).ToString("0.000", CultureInfo.InvariantCulture);
}
