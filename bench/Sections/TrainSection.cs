using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reference;
using NotebookLib.Bench.Reports;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Sections;

/// <summary>Training steps: micro-batches of real sentences in the reference's random order, then clip and update, with dropout, against the transcription.</summary>
internal sealed class TrainSection : ISection
{
    private const int BatchSize = 16;

    public string Verb => "train";

    public string Title => "Training step of base, large-LoRA and xsmall against the transcription of transformers 4.35.2";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        var report = new SectionReport();
        var rows = new List<IReadOnlyList<string>>();
        var accumulation = options.IsQuick ? 2 : 8;
        foreach (var (name, config, rounds) in ((string, DebertaConfig, int)[])[("base", Networks.Base, 2), ("xsmall", Networks.XSmall, 3)])
        {
            if (options.Wants(name))
            {
                MeasureFull(report, rows, name, config, corpus, accumulation, options.Rounds(rounds));
            }
        }

        report.Tables.Add((
            $"One update: {accumulation} micro-batches of {BatchSize} sentences ({corpus.Source}), clip, AdamW; dropout 0.1. Median (lowest–highest) over rounds; both sides take every micro-batch in turn.",
            new(["", "real tokens/s", "× transcription", "probe GFLOP/s", "tokens/s per GFLOP/s", "of the limit"], rows)));
        return report;
    }

    private static void MeasureFull(SectionReport report, List<IReadOnlyList<string>> table, string name, DebertaConfig config, Corpus corpus, int accumulation, int rounds)
    {
        using var scope = NewDisposeScope();
        var batches = corpus.TrainingBatches(BatchSize, accumulation);
        double tokens = batches.Sum(batch => batch.Sum(row => row.Length));
        using var model = Networks.Ours(config);
        using var ours = new OurTrainer(model, batches, accumulation);
        var weights = Networks.PlainWeights(config, isTrained: true);
        var plain = new PlainTrainer(new PlainDeberta(config, weights), weights, accumulation);
        report.Notes.Add($"{name}, before the clocks ran: {Agreement.OfTraining(model, plain.Model, weights, batches[0])}.");
        plain.Model.IsTraining = true;
        foreach (var isHalf in (bool[])[false, true])
        {
            var contest = Contest.Hold(
                [
                    new("transcription", item => RunItem(item < accumulation, () => plain.MicroBatch(batches[item], isHalf), plain.Update)),
                    new("ours", item => RunItem(item < accumulation, () => ours.MicroBatch(item, isHalf), ours.Update)),
                ],
                accumulation + 1, rounds, 0, accumulation);
            Report(report, table, $"{name} {(isHalf ? "bf16" : "float32")}", contest, tokens, 3 * Networks.ForwardFlops(config));
            if (name == "base")
            {
                report.Targets.Add(Target.AtLeast($"training step of base, {(isHalf ? "bf16" : "float32")}, × transcription", isHalf ? 3 : 2.5, contest.Ratio(1, 0)));
            }

            if (name == "base" && isHalf)
            {
                report.Targets.Add(Target.AtLeast("training of base, bf16, tokens/s per GFLOP/s", 0.9, contest.RatePerGigaflops(1, tokens)));
            }
        }

        foreach (var weight in weights.Values)
        {
            weight.Dispose();
        }
    }

    private static void RunItem(bool isMicroBatch, Action microBatch, Action update)
    {
        if (isMicroBatch)
        {
            microBatch();
        }
        else
        {
            update();
        }
    }

    private static void Report(SectionReport report, List<IReadOnlyList<string>> table, string name, Contest contest, double tokens, double flopsPerToken)
    {
        for (var i = 0; i < contest.Names.Count; i++)
        {
            var share = contest.RatePerGigaflops(i, tokens);
            table.Add([$"{name}, {contest.Names[i]}", contest.Rate(i, tokens).ToText("0"), i == 0 ? "1" : contest.Ratio(i, 0).ToText("0.00"), Spread.Of(contest.Probes).ToText("0"),
                share.ToText("0.000"), $"{share.Median * flopsPerToken / 1e9 * 100:0.0} %"]);
        }
    }
}
