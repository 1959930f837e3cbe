using System.Globalization;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Model;
using NotebookLib.Platform;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// LoRA on deberta-v3-large with its frozen linear layers dense, in bfloat16 and in int8: memory in a process of its own, time of micro-batches in turn.
/// </summary>
internal sealed class StorageSection : ISection
{
    private const int Updates = 3, MicroBatches = 4;

    /// <summary>The verb of the child process.</summary>
    public const string ChildVerb = "storage-of";

    public string Verb => "storage";

    public string Title => "LoRA on a frozen base in fewer bits";

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        var rows = new List<IReadOnlyList<string>>();
        foreach (var isHalf in (bool[])[true, false])
        {
            var storages = Enum.GetValues<WeightStorage>();
            var memory = storages.Select(storage => MemoryOf(storage, isHalf)).ToList();
            var contest = TimeOf(storages, isHalf, options);
            for (var i = 0; i < storages.Length; i++)
            {
                rows.Add([$"{(isHalf ? "bf16" : "float32")}, base {storages[i].ToString().ToLowerInvariant()}", Gigabytes(memory[i][0]),
                    Gigabytes(memory[i][1]),
                    contest.Seconds(i).ToText("0.00"), contest.Ratio(0, i).ToText("0.00")]);
            }
        }

        report.Tables.Add(new(
            $"deberta-v3-large, r 4 on query and key, activation checkpointing, micro-batches of 8 sentences of {Corpus.Load().Source}. Memory: "
                + "resident once the base is stored, and at the peak of "
                + $"{Updates} updates of {MicroBatches} micro-batches. Seconds: {(options.IsQuick ? 1 : 3)} micro-batches, all three in turn.",
            new(["products, storage", "GB at rest", "GB at the peak", "seconds", "× dense"], rows)));
        return report;
    }

    /// <summary>What the child process does: trains, then tells resident bytes at rest and at the peak of training.</summary>
    public static string MemoryOf(string storage, string precision)
    {
        var batches = Corpus.Load().TrainingBatches(TrainingKind.LargeLora.BatchSize, Updates * MicroBatches);
        using var model = Model(Enum.Parse<WeightStorage>(storage));
        var rest = ResidentMemory.CurrentBytes;
        ResidentMemory.TryResetPeak();
        using var trainer = new OurTrainer(model, batches, MicroBatches);
        for (var i = 0; i < batches.Count; i++)
        {
            trainer.MicroBatch(i, precision == "bf16");
            if ((i + 1) % MicroBatches == 0)
            {
                trainer.Update();
            }
        }

        return Invariant($"{rest} {ResidentMemory.PeakBytes}");
    }

    private static double[] MemoryOf(WeightStorage storage, bool isHalf) =>
        [.. OwnProcess.Run([ChildVerb, storage.ToString(), isHalf ? "bf16" : "float32"], TimeSpan.FromMinutes(9)).Split(' ')
            .Select(number => double.Parse(number, CultureInfo.InvariantCulture))];

    private static Contest TimeOf(WeightStorage[] storages, bool isHalf, BenchOptions options)
    {
        var count = options.IsQuick ? 1 : 3;
        var batches = Corpus.Load().TrainingBatches(TrainingKind.LargeLora.BatchSize, count);
        var models = storages.Select(Model).ToList();
        var trainers = models.Select(model => new OurTrainer(model, batches, count)).ToList();
        try
        {
            return Contest.Hold([.. storages.Select((storage, i) => new Contestant(storage.ToString(), item => trainers[i].MicroBatch(item, isHalf)))], count,
                options.Rounds(3), 0);
        }
        finally
        {
            trainers.ForEach(trainer => trainer.Dispose());
            models.ForEach(model => model.Dispose());
        }
    }

    private static DebertaV2ForTokenClassification Model(WeightStorage storage)
    {
        var model = TrainingPair.OurModel(TrainingKind.LargeLora);
        FrozenWeights.Store(model, storage);
        return model;
    }

    private static string Gigabytes(double bytes) => (bytes / 1e9).ToString("0.00", CultureInfo.InvariantCulture);
}
