using System.Diagnostics;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reference;
using NotebookLib.Bench.Reports;
using NotebookLib.Inference;
using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// The published experiment's steps on a CUDA device, ours beside the transcription on the same device, and what both are of the device's own products. Without
/// a device the same work runs on the CPU with <c>--quick</c>, which shows that it runs and says nothing about speed.
/// </summary>
internal sealed class GpuSection : ISection
{
    private const int ProductSize = 8192, EvaluationBatch = 64;

    private static readonly Device Where = cuda.is_available() ? CUDA : CPU;

    public string Verb => "gpu";

    public string Title => "Training and evaluation on a CUDA device against the transcription of transformers 4.35.2";

    public SectionReport Measure(BenchOptions options)
    {
        if (Where.type == DeviceType.CPU && !options.IsQuick)
        {
            throw new InvalidOperationException("This libtorch finds no CUDA device (docs/GPU.md says what it needs). "
                + "With --quick the same work runs on the CPU, for a look at whether it runs.");
        }

        var report = new SectionReport();
        var (size, limit) = ProductsPerSecond(options);
        report.Notes.Add(Invariant($"{CudaCard.First?.ToString() ?? "no CUDA device: on the CPU"}; libtorch {torch.__version__}; ")
            + Invariant($"bfloat16 products of {size}³: ")
            + Invariant($"{limit / 1e12:0.0} TFLOP/s."));
        var corpus = Corpus.Load();
        List<IReadOnlyList<string>> rows = [];
        TrainingKind[] kinds = Where.type == DeviceType.CPU ? [TrainingKind.XSmall] : [TrainingKind.Base, TrainingKind.LargeLora];
        foreach (var kind in kinds.Where(kind => options.Wants(kind.Name)))
        {
            using var scope = NewDisposeScope();
            Train(kind, corpus, limit, options, rows, report);
        }

        report.Tables.Add(new($"Training steps in bfloat16, dropout 0.1, clipping and AdamW, on sentences of {corpus.Source}; "
            + "large-LoRA recomputes every layer on both sides.",
            new(["", "real pieces/s", "ms an update", "× transcription", "of the products' rate", "device memory in use"], rows)));
        if (options.Wants(kinds[0].Name))
        {
            using var scope = NewDisposeScope();
            Evaluate(kinds[0], corpus, options, report);
        }

        return report;
    }

    private static void Train(TrainingKind kind, Corpus corpus, double limit, BenchOptions options, List<IReadOnlyList<string>> table, SectionReport report)
    {
        var updates = options.IsQuick || kind.IsLora ? 1 : 3;
        var batches = corpus.TrainingBatches(kind.BatchSize, updates * kind.Accumulation);
        double pieces = batches.Sum(batch => batch.Sum(row => row.Length));
        using var pair = new TrainingPair(kind, batches, Where);
        report.Notes.Add($"{kind.Name}, before the clocks ran, in float32 {pair.Compare(withHalf: true)} (of the largest value).");
        pair.ActivationBudget = 0;
        var ours = new Contender("ours, an update in one pass", options.IsQuick ? 1 : 20, () => Updates(updates, i =>
        {
            pair.Ours.MicroBatches(i * kind.Accumulation, kind.Accumulation, isHalf: true);
            pair.Ours.Update();
        }));
        var separate = new Contender("ours, micro-batch by micro-batch", options.IsQuick ? 1 : 4, () => Updates(updates, i =>
        {
            for (var batch = 0; batch < kind.Accumulation; batch++)
            {
                pair.Ours.MicroBatch((i * kind.Accumulation) + batch, isHalf: true);
            }

            pair.Ours.Update();
        }));
        var plain = new Contender("transcription", 1, () => Updates(updates, i =>
        {
            for (var batch = 0; batch < kind.Accumulation; batch++)
            {
                pair.Plain.MicroBatch(batches[(i * kind.Accumulation) + batch], isHalf: true);
            }

            pair.Plain.Update();
        }));
        Contender[] all = [ours, separate, plain];
        foreach (var contender in all)
        {
            // A warm-up; the caching allocator then holds what this contender needs, and all before it.
            _ = contender.Seconds();
        }

        var seconds = all.ToDictionary(contender => contender, _ => new List<double>());
        for (var round = 0; round < options.Rounds(3); round++)
        {
            foreach (var contender in all)
            {
                seconds[contender].Add(contender.Seconds());
            }
        }

        var memory = DeviceUsage.Of(Where)?.UsedBytes;
        foreach (var contender in all)
        {
            var rate = Spread.Of(seconds[contender].Select(time => pieces / time));
            var ratio = Spread.Of(seconds[contender].Select((time, i) => seconds[plain][i] / time));
            var share = Spread.Of(seconds[contender].Select(time => pieces / time * kind.FlopsPerToken / limit * 100));
            table.Add([$"{kind.Name}, {contender.Name}", rate.ToText("0"), Spread.Of(seconds[contender].Select(time => time / updates * 1000)).ToText("0.0"),
                ratio.ToText("0.0"),
                share.ToText("0.0") + " %", memory is { } bytes ? Invariant($"{bytes / 1e9:0.0} GB") : "–"]);
            if (contender == ours)
            {
                report.Targets.Add(Target.AtLeast($"{kind.Name}: × the transcription on this device", 4, ratio, "0.0"));
                if (kind == TrainingKind.Base)
                {
                    report.Targets.Add(Target.AtLeast("base: % of the products' rate", 25, share, "0.0"));
                    report.Targets.Add(Target.AtMost("base: minutes for the published run's 26 million pieces", 5, 26e6 / rate.Median / 60, "min", "0.0"));
                }
            }
        }
    }

    private static void Evaluate(TrainingKind kind, Corpus corpus, BenchOptions options, SectionReport report)
    {
        EncodedSentence[] sentences =
            [.. Enumerable.Repeat(corpus.Rows, options.IsQuick ? 1 : 1 + (20_000 / corpus.Rows.Length)).SelectMany(rows => rows)
            .Take(options.IsQuick ? 128 : 20_000)];
        var (few, all) = (sentences.Take(options.IsQuick ? 64 : 1_000).ToArray(), sentences.Select(row => row.InputIds).ToArray());
        using var model = Networks.Ours(kind.Config);
        model.to(Where);
        var weights = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.detach());
        var plain = new PlainDeberta(kind.Config, weights);
        var scorer = new ModelPieceScorer(model, EvaluationBatch);
        using var quiet = no_grad();
        using var half = Autocast.Enter(ScalarType.BFloat16, Where.type);
        void Ours() => _ = scorer.Score(all);
        void Plain()
        {
            foreach (var rows in few.Chunk(8))
            {
                using var scope = NewDisposeScope();
                using var batch = PaddedBatch.Pad(rows);
                _ = plain.Run(batch.InputIds.to(Where), batch.AttentionMask.to(Where)).Logits.to(float32).cpu();
            }
        }

        List<double> rates = [], plainRates = [];
        for (var round = -1; round < options.Rounds(3); round++)
        {
            double ours = all.Sum(ids => ids.Length) / Seconds(Ours), others = few.Sum(row => row.Length) / Seconds(Plain);
            if (round >= 0)
            {
                rates.Add(ours);
                plainRates.Add(others);
            }
        }

        var ratio = Spread.Of(rates.Select((rate, i) => rate / plainRates[i]));
        report.Tables.Add(new($"Evaluation of {kind.Name} in bfloat16: logits of {all.Length} sentences, read back; "
            + $"the transcription takes {few.Length} of them, 8 at a time as they come, as a pipeline does.",
            new(["", "real pieces/s", "× transcription"],
                [["ours", Spread.Of(rates).ToText("0"), ratio.ToText("0.0")], ["transcription", Spread.Of(plainRates).ToText("0"), "1"]])));
        report.Targets.Add(Target.AtLeast($"evaluation of {kind.Name}: × the eager transcription", 5, ratio, "0.0"));
    }

    private static void Updates(int count, Action<int> update)
    {
        for (var i = 0; i < count; i++)
        {
            update(i);
        }
    }

    private static (int Size, double PerSecond) ProductsPerSecond(BenchOptions options)
    {
        using var scope = NewDisposeScope();
        var (size, repeats) = Where.type == DeviceType.CPU ? (1024, 2) : (ProductSize, options.IsQuick ? 5 : 20);
        Tensor a = ones(size, size, bfloat16, Where), b = ones(size, size, bfloat16, Where);
        void Multiply() => mm(a, b).Dispose();
        Multiply();
        return (size, 2.0 * size * size * size * repeats / Seconds(() => Updates(repeats, _ => Multiply())));
    }

    /// <summary>Wall seconds of something, the device's work included.</summary>
    private static double Seconds(Action work)
    {
        Synchronise();
        var start = Stopwatch.GetTimestamp();
        work();
        Synchronise();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Synchronise()
    {
        if (Where.type == DeviceType.CUDA)
        {
            cuda.synchronize();
        }
    }

    /// <summary>One way of making the updates.</summary>
    /// <param name="Name">What the table calls it.</param>
    /// <param name="Repeats">How often a round makes them: enough to be more than a moment.</param>
    /// <param name="Run">Makes them once.</param>
    private sealed record Contender(string Name, int Repeats, Action Run)
    {
        /// <summary>Seconds for all updates once, the mean of a round.</summary>
        public double Seconds() => GpuSection.Seconds(() => Updates(Repeats, _ => Run())) / Repeats;
    }
}
