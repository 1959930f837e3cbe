using System.Diagnostics;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Model;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// What an update costs when several processes share it: <c>mpirun -n N dotnet run --project bench -- ranks</c>, or without mpirun one process, with which to
/// compare. docs/SCALE.md has the numbers.
/// </summary>
internal sealed class RanksSection : ISection
{
    public string Verb => "ranks";

    public string Title => "An update shared by ranks";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        var demo = DebertaConfig.Read(Folders.PathOf("data", "tiny-deberta-v3", "config.json")) with { Labels = Networks.Base.Labels };
        var rows = new List<IReadOnlyList<string>>();
        // Large networks are measured where they are asked for by name.
        foreach (var kind in TrainingKind.All.Prepend(new("demo", demo, 16, 8, false)).Where(kind => options.Only is null
            ? kind.Name is "demo" or "xsmall" : options.Wants(kind.Name)))
        {
            foreach (var isHalf in (bool[])[false, true])
            {
                rows.AddRange(MeasureKind(kind, isHalf, corpus, options.Rounds(7)));
            }
        }

        var report = new SectionReport();
        if (Ranks.IsFirst)
        {
            report.Tables.Add(new(
                $"{Ranks.Count} × {get_num_threads()} threads. Updates of 128 sentences, median (lowest–highest) of rank 0, which waited so long for sums.",
                new(["", "s/update", "tokens/s", "waited, s", "MB summed by each rank"], rows)));
        }

        return report;
    }

    private static IEnumerable<IReadOnlyList<string>> MeasureKind(TrainingKind kind, bool isHalf, Corpus corpus, int rounds)
    {
        // The demo's vocabulary is smaller: its sentences are as long as the real ones, of other pieces.
        IReadOnlyList<EncodedSentence[]> batches = [.. corpus.TrainingBatches(kind.BatchSize, kind.Accumulation).Select(batch => batch
            .Select(row => row with { InputIds = Array.ConvertAll(row.InputIds, id => (int)(id % kind.Config.VocabSize)) }).ToArray())];
        double tokens = batches.Sum(batch => batch.Sum(row => row.Length));
        using var model = TrainingPair.OurModel(kind);
        using var trainer = new OurTrainer(model, batches, kind.Accumulation, Ranks.Communicator);
        trainer.SharedUpdate(batches.Count, isHalf, overlaps: true);
        foreach (var overlaps in Ranks.Count == 1 ? [true] : (bool[])[true, false])
        {
            var (seconds, waits, bytes) = (new List<double>(), new List<double>(), 0L);
            for (var round = 0; round < rounds; round++)
            {
                var (waited, sent, clock) = (trainer.Exchange?.Waited ?? default, trainer.Exchange?.Bytes ?? 0, Stopwatch.StartNew());
                trainer.SharedUpdate(batches.Count, isHalf, overlaps);
                seconds.Add(clock.Elapsed.TotalSeconds);
                waits.Add(((trainer.Exchange?.Waited ?? default) - waited).TotalSeconds);
                bytes = (trainer.Exchange?.Bytes ?? 0) - sent;
            }

            var spread = Spread.Of(seconds);
            var how = Ranks.Count == 1 ? "" : overlaps ? ", sums beside the backward pass" : ", sums after it";
            yield return [$"{kind.Name} {(isHalf ? "bf16" : "float32")}{how}", spread.ToText("0.000"), Invariant($"{tokens / spread.Median:0}"),
                Spread.Of(waits).ToText("0.000"), Invariant($"{bytes / 1e6:0.0}")];
        }
    }
}
