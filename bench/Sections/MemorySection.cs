using System.Globalization;
using System.Text.RegularExpressions;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Onnx;
using NotebookLib.Bench.Reference;
using NotebookLib.Bench.Reports;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Sections;

/// <summary>Peak resident memory of each job, in a process of its own.</summary>
internal sealed partial class MemorySection : ISection
{
    private const int Updates = 3, MicroBatches = 4;

    /// <summary>The verb of the child process.</summary>
    public const string ChildVerb = "memory-of";

    public string Verb => "memory";

    public string Title => "Peak resident memory";

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        var rows = new List<IReadOnlyList<string>>();
        foreach (var (job, whose, limit) in Jobs().Where(job => options.Wants(job.Job)))
        {
            double? Gigabytes(string who)
            {
                try
                {
                    return double.Parse(OwnProcess.Run([ChildVerb, job, who], TimeSpan.FromSeconds(150)), CultureInfo.InvariantCulture) / 1e9;
                }
                catch (InvalidOperationException error)
                {
                    report.Notes.Add($"{job}, {who}: {error.Message}");
                    return null;
                }
            }

            var measured = whose.ToDictionary(who => who, Gigabytes);
            rows.Add([job, .. ((string[])["ours", "transcription", "onnx"])
                .Select(who => measured.GetValueOrDefault(who)?.ToString("0.00", CultureInfo.InvariantCulture) ?? "–")]);
            if (limit is { } most)
            {
                report.Targets.Add(Target.AtMost($"memory: {job}", most, measured["ours"] ?? double.NaN, "GB"));
            }
        }

        report.Tables.Add(new($"GB (10⁹ bytes) resident at the peak of {Updates} updates of {MicroBatches} micro-batches, "
            + "or of an evaluation of 256 sentences in batches of 64; weights, .NET and libtorch included.",
            new(["", "ours", "transcription", "ONNX Runtime"], rows)));
        return report;
    }

    /// <summary>What the child process does: one job, then it writes its peak in bytes.</summary>
    public static long PeakOf(string job, string who)
    {
        var corpus = Corpus.Load();
        if (job.StartsWith("train ", StringComparison.Ordinal))
        {
            Train(job, who, corpus);
        }
        else
        {
            Evaluate(job.EndsWith("bf16", StringComparison.Ordinal), who, corpus);
        }

        return ResidentMemory.PeakBytes;
    }

    private static IEnumerable<(string Job, string[] Whose, double? Limit)> Jobs()
    {
        string[] both = ["ours", "transcription"];
        yield return ("train base float32", both, 3.0);
        yield return ("train base bf16", both, 3.0);
        yield return ("train large-LoRA bf16", both, 3.2);
        yield return ("train large-LoRA, every layer recomputed, bf16", ["ours"], null);
        yield return ("train large-LoRA, nothing recomputed, bf16", ["ours"], null);
        yield return ("train large-LoRA float32", ["ours"], null);
        yield return ("train xsmall bf16", both, null);
        yield return ("evaluate base float32", ["ours", "transcription", "onnx"], null);
        yield return ("evaluate base bf16", ["ours"], null);
    }

    /// <summary>The job of training with a budget of activations, an update's micro-batches all there and nothing recomputed.</summary>
    public static string JobWithBudget(TrainingKind kind, int mebibytes, bool isHalf) =>
        Invariant($"train {kind.Name}, nothing recomputed, budget {mebibytes} MiB, {(isHalf ? "bf16" : "float32")}");

    [GeneratedRegex("budget ([0-9]+) MiB")]
    private static partial Regex BudgetPattern();

    private static void Train(string job, string who, Corpus corpus)
    {
        var kind = TrainingKind.All.Single(kind => job.Contains(kind.Name, StringComparison.Ordinal));
        var isHalf = job.EndsWith("bf16", StringComparison.Ordinal);
        var budget = BudgetPattern().Match(job) is { Success: true } match ? int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : (int?)null;
        var microBatches = budget is null ? MicroBatches : kind.Accumulation;
        var batches = corpus.TrainingBatches(kind.BatchSize, Updates * microBatches);
        using var model = TrainingPair.OurModel(kind);
        if (job.Contains("every layer recomputed", StringComparison.Ordinal))
        {
            model.Engine.ActivationBudget = 0;
        }

        model.Engine.ActivationBudget = (long?)budget << 20 ?? model.Engine.ActivationBudget;
        model.Engine.RecomputesActivations &= !job.Contains("nothing recomputed", StringComparison.Ordinal);
        using var ours = who == "ours" ? new OurTrainer(model, batches, kind.Accumulation) : null;
        var weights = model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        using var plain = who == "ours" ? null : new PlainTrainer(TrainingPair.PlainModel(kind, weights), weights, kind.Accumulation);
        if (plain is not null)
        {
            plain.Model.IsTraining = true;
        }

        // What reading the corpus left behind is no part of a training.
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        for (var update = 0; update < Updates; update++)
        {
            foreach (var pass in ours?.Passes(microBatches, isHalf) ?? [])
            {
                ours!.MicroBatches((update * microBatches) + pass.First, pass.Count, isHalf);
            }

            for (var i = 0; plain is not null && i < microBatches; i++)
            {
                plain.MicroBatch(batches[(update * microBatches) + i], isHalf);
            }

            ours?.Update();
            plain?.Update();
        }
    }

    private static void Evaluate(bool isHalf, string who, Corpus corpus)
    {
        var batches = corpus.EvaluationBatches(1024, 64, isSorted: true, count: 4);
        var folder = Directory.CreateTempSubdirectory("bench-onnx-");
        using var network = who == "onnx" ? new OnnxNetwork(WriteGraph(folder.FullName)) : null;
        using var model = who == "onnx" ? null : Networks.Ours(Networks.Base);
        model?.eval();
        var plain = who == "transcription"
            ? new PlainDeberta(Networks.Base, model!.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter)) : null;
        using var copies = who == "ours" ? model!.Engine.KeepWeightCopies() : null;
        foreach (var rows in batches)
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            using var autocast = isHalf ? Autocast.Enter(ScalarType.BFloat16) : null;
            using var batch = PaddedBatch.Pad(rows);
            _ = network is not null ? network.Run(rows) : plain is not null
                ? plain.Run(batch.InputIds, batch.AttentionMask).Logits : model!.call(batch.InputIds, batch.AttentionMask);
        }

        folder.Delete(recursive: true);
    }

    // In a process of its own, so that its weights do not count.
    private static string WriteGraph(string folder)
    {
        OwnProcess.Run(["write-graph", folder], TimeSpan.FromSeconds(60));
        return Path.Combine(folder, "model.onnx");
    }

    /// <summary>Writes base's graph and weights into a folder.</summary>
    public static void WriteBaseGraph(string folder)
    {
        using var model = Networks.Ours(Networks.Base);
        var graph = Folders.Shared("reference", "onnx", "base") ?? throw new InvalidOperationException("../shared/reference/onnx/base is missing.");
        OnnxWeights.Write(graph, model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter), folder);
    }
}
