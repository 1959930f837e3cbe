using System.Globalization;
using System.Text.Json;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Data;
using NotebookLib.Platform;
using NotebookLib.Training;
using TorchSharp;

namespace NotebookLib.Bench.Sections;

/// <summary>What a training is reckoned to take before it starts, beside what it took: by the trainer itself, in a process of its own each.</summary>
internal sealed class ForecastSection : ISection
{
    private const int Updates = 2;

    /// <summary>The verb of the child process.</summary>
    public const string ChildVerb = "forecast-of";

    public string Verb => "forecast";

    public string Title => "Memory foreseen and memory taken";

    private sealed record Figures(long Weights, long Activations, long Taken);

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        var rows = new List<IReadOnlyList<string>>();
        foreach (var (kind, precision) in TrainingKind.All.Where(kind => options.Wants(kind.Name))
            .SelectMany(kind => new[] { TrainingPrecision.Float32, TrainingPrecision.BFloat16 }, (kind, precision) => (kind, precision)))
        {
            var (weights, activations, taken) = JsonSerializer.Deserialize<Figures>(
                OwnProcess.Run([ChildVerb, kind.Name, $"{precision}"], TimeSpan.FromMinutes(4)))!;
            rows.Add([$"{kind.Name}, {precision}", Megabytes(weights), Megabytes(activations), Megabytes(weights + activations), Megabytes(taken),
                (taken / (double)(weights + activations)).ToString("0.00", CultureInfo.InvariantCulture)]);
        }

        report.Tables.Add(new(
            $"MB (10⁶ bytes) beyond what the process held before {Updates} updates by the trainer on {Corpus.Load().Source}, a checkpoint behind them.",
            new(["training", "gradients, moments, copies", "activations", "foreseen", "taken at the peak", "taken / foreseen"], rows)));
        return report;
    }

    /// <summary>What the child process does: reckons, trains, and writes both.</summary>
    public static string FiguresOf(string name, string precision)
    {
        var kind = TrainingKind.All.Single(kind => kind.Name == name);
        var rows = Corpus.Load().TrainingBatches(kind.BatchSize, Updates * kind.Accumulation).SelectMany(batch => batch).ToArray();
        using var model = TrainingPair.OurModel(kind);
        var folder = Directory.CreateTempSubdirectory("bench-forecast-");
        var settings = new TrainingSettings
        {
            BatchSize = kind.BatchSize,
            AccumulationSteps = kind.Accumulation,
            MaximumUpdates = Updates,
            Precision = Enum.Parse<TrainingPrecision>(precision),
            EvaluateEvery = Interval.Never,
            SaveEvery = Interval.Never,
            OutputFolder = folder.FullName,
        };
        var (weights, activations) = Reckoned(model, rows, settings);
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        var before = ResidentMemory.CurrentBytes;
        var result = new Trainer(model, LabelSet.SystemA, rows, [], settings, new Notices()).Train();
        folder.Delete(recursive: true);
        return JsonSerializer.Serialize(new Figures(weights, activations, result.PeakMemoryBytes - before));
    }

    private static (long Weights, long Activations) Reckoned(
        Model.DebertaV2ForTokenClassification model, Batching.EncodedSentence[] rows, TrainingSettings settings)
    {
        using var task = new TokenClassificationTask(model, LabelSet.SystemA, rows, [], settings);
        return task.BytesToCome(settings.Precision == TrainingPrecision.Float32 ? torch.ScalarType.Float32 : torch.ScalarType.BFloat16)!.Value;
    }

    /// <summary>What a training that is not likely to fit says goes to standard error.</summary>
    private sealed class Notices : ITrainingObserver
    {
        public void Noticed(string message) => Console.Error.WriteLine(message);
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("0", CultureInfo.InvariantCulture);
}
