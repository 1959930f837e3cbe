using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>
/// Repeats recorded runs of transformers 4.35.2's Trainer from their start weights, in the order that our own sampler makes, and compares what was logged
/// and what came out. A run of a whole model has start and final weights (<c>start</c>, <c>final</c>), one with LoRA an adapter to start from and one that came
/// out (<c>adapter-start</c>, <c>adapter-final</c>).
/// </summary>
public sealed class TrainingChecks : IGoldenCheck
{
    // A loss is logged with 4 decimals: half of the last one, and float32 noise.
    private const double LoggedDigits = 0.5e-4;
    private const double LossTolerance = 1e-6;
    private const double EpochTolerance = 0.5e-2 + 1e-9;
    private const double RateTolerance = 1e-12;
    private const double EvaluationLossTolerance = 1e-4;
    private const double WeightTolerance = 1e-5;

    /// <inheritdoc />
    public string FolderName => "training";

    /// <summary>As <see cref="TrainingSettings.PiecesPerPass"/>.</summary>
    internal int? PiecesPerPass { get; init; }

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options) => Directory.EnumerateDirectories(folder)
        .Where(run => File.Exists(Path.Combine(run, "trainer_state.json")))
        .Order(StringComparer.Ordinal)
        .SelectMany(run => Guarded($"{FolderName}/{Path.GetFileName(run)}", run, options));

    private List<CheckResult> Guarded(string name, string folder, VerifyOptions options)
    {
        try
        {
            return CheckRun(name, folder, options);
        }
#pragma warning disable CA1031 // One unreadable golden is a failed row; the others still get theirs.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return [CheckResult.Failed(name, "run", $"{error.GetType().Name}: {error.Message}")];
        }
    }

    private List<CheckResult> CheckRun(string name, string folder, VerifyOptions options)
    {
        var reference = ReferenceRun.Load(folder);
        var output = Directory.CreateTempSubdirectory("verify-training-");
        try
        {
            var settings = reference.Settings with { OutputFolder = output.FullName, PiecesPerPass = PiecesPerPass };
            using var model = ModelFolder.Load(Path.Combine(folder, "start"), options.Loading()).Model;
            var adapter = Path.Combine(folder, "adapter-start");
            using var adapters = Directory.Exists(adapter) ? LoraAdapters.Load(adapter, model) : null;
            using var task = new TokenClassificationTask(model, labels: null, reference.Training, reference.Evaluation, settings);
            using var loop = new TrainingLoop(task, settings, []);
            var result = loop.Run(CancellationToken.None);
            return [.. CompareLogs(name, reference, result, options), CompareWeights(name, folder, model, adapters, options)];
        }
        finally
        {
            output.Delete(recursive: true);
        }
    }

    private static IEnumerable<CheckResult> CompareLogs(string name, ReferenceRun reference, TrainingResult result, VerifyOptions options)
    {
        var steps = result.History.Steps.ToDictionary(step => step.Update);
        var evaluations = result.History.Evaluations.ToDictionary(evaluation => evaluation.Update, evaluation => evaluation.Loss);
        yield return new(name, "planned updates", Math.Abs(reference.Updates - result.Updates), 0, $"{result.Updates}");
        yield return CompareOrder(name, reference);
        yield return Compare(name, "learning rates", reference.LearningRates, update => steps[update].LearningRate, RateTolerance);
        yield return Compare(name, "epochs as logged (2 decimals)", reference.Epochs, update => steps[update].Epoch, EpochTolerance);
        yield return Compare(name, "losses as logged (4 decimals)", reference.Losses, update => MeanSinceLog(reference, steps, update),
            LoggedDigits + options.Allow(LossTolerance));
        yield return Compare(name, "evaluation losses", reference.EvaluationLosses, update => evaluations[update], options.Allow(EvaluationLossTolerance));
    }

    private static CheckResult CompareOrder(string name, ReferenceRun reference)
    {
        var order = new MicroBatchOrder(new TrainingPlan(reference.Settings, reference.Training.Count), reference.Settings.Seed);
        var ours = new List<int>();
        for (var microBatch = 0L; ours.Count < reference.Order.Count; microBatch++)
        {
            ours.AddRange(order.RowsOf(microBatch).Span);
        }

        return new(name, "order of rows", reference.Order.Zip(ours).Count(pair => pair.First != pair.Second), 0, $"{reference.Order.Count} rows read");
    }

    private static double MeanSinceLog(ReferenceRun reference, Dictionary<int, LoggedStep> steps, int update)
    {
        var before = reference.Losses.Keys.Where(logged => logged < update).DefaultIfEmpty(0).Max();
        return Enumerable.Range(before + 1, update - before).Average(step => steps[step].Loss);
    }

    private static CheckResult Compare(string name, string quantity, SortedDictionary<int, double> expected, Func<int, double> ours, double tolerance) =>
        new(name, quantity, expected.Select(pair => Math.Abs(pair.Value - ours(pair.Key))).DefaultIfEmpty(0).Max(), tolerance, $"{expected.Count} values");

    private static CheckResult CompareWeights(string name, string folder, DebertaV2ForTokenClassification model, LoraAdapters? adapters, VerifyOptions options)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (quantity, ours) = adapters is null
            ? ("final weights", model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter, StringComparer.Ordinal))
            : ("final adapter", adapters.TensorsByFileName());
        using var expected = adapters is null
            ? Checkpoint.OpenFolder(Path.Combine(folder, "final")) : Checkpoint.OpenFile(Path.Combine(folder, "adapter-final", AdapterFile.SafetensorsName));
        if (expected.Tensors.Keys.Except(ours.Keys).FirstOrDefault() is { } missing)
        {
            return CheckResult.Failed(name, quantity, $"our model has no {missing}");
        }

        var worst = expected.Tensors.Keys
            .Select(tensor => (tensor, difference: GoldenFolder.Difference(ours[tensor], expected.Read(tensor))))
            .MaxBy(pair => double.IsNaN(pair.difference) ? double.PositiveInfinity : pair.difference);
        return new(name, quantity, worst.difference, options.Allow(WeightTolerance), $"{expected.Tensors.Count} tensors, worst {worst.tensor}");
    }
}
