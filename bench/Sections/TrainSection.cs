using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// Training steps: micro-batches of real sentences in the reference's random order, then clip and update, with dropout, against the transcription.
/// </summary>
internal sealed class TrainSection : ISection
{
    public string Verb => "train";

    public string Title => "Training step of base, large-LoRA and xsmall against the transcription of transformers 4.35.2";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        var report = new SectionReport();
        var rows = new List<IReadOnlyList<string>>();
        foreach (var kind in TrainingKind.All.Where(kind => options.Wants(kind.Name)))
        {
            // Of large-LoRA's sixteen micro-batches a few will do: its update is next to nothing.
            MeasureKind(report, rows, kind, corpus, options.IsQuick ? 2 : kind.IsLora ? 6 : kind.Accumulation, options.Rounds(kind.Name == "xsmall" ? 3 : 2));
        }

        report.Tables.Add(new(
            $"Updates of 8 × 16 sentences (large-LoRA: 6 of its 16 micro-batches of 8; checkpointed) out of {corpus.Source}, in the reference's random order; "
                + "clip and AdamW; dropout 0.1. "
                + "Median (lowest–highest) over rounds; both sides take the micro-batches of each of our passes in turn.",
            new(["", "real tokens/s", "× transcription", "probe GFLOP/s", "tokens/s per GFLOP/s", "of the limit"], rows)));
        return report;
    }

    private static void MeasureKind(SectionReport report, List<IReadOnlyList<string>> table, TrainingKind kind, Corpus corpus, int microBatches, int rounds)
    {
        using var scope = NewDisposeScope();
        var batches = corpus.TrainingBatches(kind.BatchSize, microBatches);
        double tokens = batches.Sum(batch => batch.Sum(row => row.Length));
        using var pair = new TrainingPair(kind, batches);
        report.Notes.Add($"{kind.Name}, before the clocks ran: {pair.Compare()} (of the largest value).");
        foreach (var isHalf in (bool[])[true, false])
        {
            var passes = pair.Ours.Passes(microBatches, isHalf);
            var ours = new Contestant("ours", item => RunItem(passes, item, pass => pair.Ours.MicroBatches(pass.First, pass.Count, isHalf), pair.Ours.Update));
            var plain = new Contestant("transcription", item => RunItem(passes, item, pass =>
            {
                foreach (var batch in batches.Skip(pass.First).Take(pass.Count))
                {
                    pair.Plain.MicroBatch(batch, isHalf);
                }
            }, pair.Plain.Update));
            report.Notes.Add($"{kind.Name}, {(isHalf ? "bf16" : "float32")}: passes of {string.Join(" + ", passes.Select(pass => pass.Count))} micro-batches.");
            // Memory of a pass is kept for the next: once around before the clocks run.
            for (var item = 0; item <= passes.Count; item++)
            {
                ours.Run(item);
            }

            var contest = Contest.Hold(kind.IsLora ? [plain, ours, RecomputingAll(pair, ours)] : [plain, ours], passes.Count + 1, rounds, 0, passes.Count);
            Report(report, table, kind, isHalf, contest, tokens);
            var alone = Contest.Hold([ours with { Name = "ours, nobody between" }], passes.Count + 1, 2 * rounds, [.. Enumerable.Range(0, passes.Count + 1)]);
            table.Add(Row(kind, isHalf, alone, 0, "–", tokens));
        }
    }

    // What the transcription does, as torch.utils.checkpoint does it; ours recomputes only what does not fit its budget.
    private static Contestant RecomputingAll(TrainingPair pair, Contestant ours) => new("ours, every layer recomputed", item =>
    {
        var budget = pair.ActivationBudget;
        pair.ActivationBudget = 0;
        ours.Run(item);
        pair.ActivationBudget = budget;
    });

    // The item after the last pass is the update.
    private static void RunItem(IReadOnlyList<(int First, int Count)> passes, int item, Action<(int First, int Count)> run, Action update)
    {
        if (item < passes.Count)
        {
            run(passes[item]);
        }
        else
        {
            update();
        }
    }

    private static string[] Row(TrainingKind kind, bool isHalf, Contest contest, int who, string ratio, double tokens)
    {
        var share = contest.RatePerGigaflops(who, tokens);
        return [$"{kind.Name} {(isHalf ? "bf16" : "float32")}, {contest.Names[who]}", contest.Rate(who, tokens).ToText("0"), ratio,
            Spread.Of(contest.Probes).ToText("0"), share.ToText("0.000"), $"{share.Median * kind.FlopsPerToken / 1e9 * 100:0.0} %"];
    }

    private static void Report(SectionReport report, List<IReadOnlyList<string>> table, TrainingKind kind, bool isHalf, Contest contest, double tokens)
    {
        var type = isHalf ? "bf16" : "float32";
        for (var i = 0; i < contest.Names.Count; i++)
        {
            table.Add(Row(kind, isHalf, contest, i, i == 0 ? "1" : contest.Ratio(i, 0).ToText("0.00"), tokens));
        }

        if (kind == TrainingKind.XSmall)
        {
            return;
        }

        report.Targets.Add(Target.AtLeast($"training step of {kind.Name}, {type}, × transcription", isHalf ? 3 : 2.5, contest.Ratio(1, 0)));
        if (kind == TrainingKind.Base && isHalf)
        {
            report.Targets.Add(Target.AtLeast("training of base, bf16, tokens/s per GFLOP/s", 0.9, contest.RatePerGigaflops(1, tokens)));
        }
    }
}
