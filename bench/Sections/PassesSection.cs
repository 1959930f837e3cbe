using System.Globalization;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;

namespace NotebookLib.Bench.Sections;

/// <summary>What a larger budget of activations, and so more micro-batches in one pass, brings in speed and costs in memory.</summary>
internal sealed class PassesSection : ISection
{
    private static readonly int[] Budgets = [0, 192, 384, 768, 1536];

    public string Verb => "passes";

    public string Title => "Speed and memory by the budget of activations";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        var report = new SectionReport();
        var rows = new List<IReadOnlyList<string>>();
        foreach (var kind in TrainingKind.All.Where(kind => options.Wants(kind.Name)))
        {
            foreach (var isHalf in (bool[])[true, false])
            {
                rows.AddRange(MeasureKind(kind, isHalf, corpus, options.Rounds(3)));
            }
        }

        report.Tables.Add(new(
            "Updates of 8 × 16 sentences (large-LoRA: 16 × 8). Budget 0: one micro-batch a pass. Peak of a process that makes 3 such updates.",
            new(["", "passes", "tokens/s", "× budget 0", "peak, GB"], rows)));
        return report;
    }

    private static IEnumerable<IReadOnlyList<string>> MeasureKind(TrainingKind kind, bool isHalf, Corpus corpus, int rounds)
    {
        var batches = corpus.TrainingBatches(kind.BatchSize, kind.Accumulation);
        double tokens = batches.Sum(batch => batch.Sum(row => row.Length));
        using var model = TrainingPair.OurModel(kind);
        using var trainer = new OurTrainer(model, batches, kind.Accumulation);
        // What is recomputed is another matter.
        model.Engine.RecomputesActivations = false;
        var contestants = Budgets.Select(budget => new Contestant($"{budget} MiB", _ =>
        {
            model.Engine.ActivationBudget = (long)budget << 20;
            foreach (var (first, count) in trainer.Passes(batches.Count, isHalf))
            {
                trainer.MicroBatches(first, count, isHalf);
            }

            trainer.Update();
        })).ToList();
        var contest = Contest.Hold(contestants, 1, rounds, 0, 0);
        var name = $"{kind.Name} {(isHalf ? "bf16" : "float32")}";
        for (var i = 0; i < Budgets.Length; i++)
        {
            model.Engine.ActivationBudget = (long)Budgets[i] << 20;
            var peak = OwnProcess.Run([MemorySection.ChildVerb, MemorySection.JobWithBudget(kind, Budgets[i], isHalf), "ours"], TimeSpan.FromSeconds(150));
            yield return [$"{name}, {contest.Names[i]}", string.Join(" + ", trainer.Passes(batches.Count, isHalf).Select(pass => pass.Count)),
                contest.Rate(i, tokens).ToText("0"), contest.Ratio(i, 0).ToText("0.00"),
                (double.Parse(peak, CultureInfo.InvariantCulture) / 1e9).ToString("0.00", CultureInfo.InvariantCulture)];
        }
    }
}
