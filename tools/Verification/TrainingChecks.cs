extern alias lib;

using System.Text.Json;
using lib::NotebookLib.Batching;
using lib::NotebookLib.Lora;
using lib::NotebookLib.Model;
using lib::NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookRunner.Verification;

/// <summary>
/// Repeats recorded runs of transformers 4.35.2's Trainer from their start weights, in the order that our own sampler makes, and compares what was logged
/// and what came out. A run of a whole model has start and final weights (<c>start</c>, <c>final</c>), one with LoRA an adapter to start from and one that came
/// out (<c>adapter-start</c>, <c>adapter-final</c>).
/// </summary>
internal static class TrainingChecks
{
    // A loss is logged with 4 decimals: half of the last one, and float32 noise.
    private const double LoggedDigits = 0.5e-4;
    private const double LossTolerance = 1e-6;
    private const double EpochTolerance = 0.5e-2 + 1e-9;
    private const double RateTolerance = 1e-12;
    private const double EvaluationLossTolerance = 1e-4;
    private const double WeightTolerance = 1e-5;

    private const string FolderName = "training";

    /// <summary>The check. Ranks that mpirun started train together.</summary>
    public static GoldenCheck Golden { get; } = With(piecesPerPass: null);

    /// <summary>The check with another <see cref="TrainingSettings.PiecesPerPass"/>, which must change nothing.</summary>
    /// <param name="piecesPerPass">The setting.</param>
    /// <param name="ranks">Who runs the same check, to train together; null for those of the process.</param>
    public static GoldenCheck With(int? piecesPerPass, ICommunicator? ranks = null) => new(FolderName, (folder, options) => Directory
        .EnumerateDirectories(folder)
        .Where(run => File.Exists(Path.Combine(run, "trainer_state.json")))
        .Order(StringComparer.Ordinal)
        .Select(run => (Name: $"{FolderName}/{Path.GetFileName(run)}", Folder: run))
        .SelectMany(run => GoldenFolder.Guard(run.Name, () => CheckRun(run.Name, run.Folder, piecesPerPass, ranks, options), "run")));

    private static List<CheckResult> CheckRun(string name, string folder, int? piecesPerPass, ICommunicator? ranks, VerifyOptions options)
    {
        var reference = ReferenceRun.Load(folder);
        var output = Directory.CreateTempSubdirectory("verify-training-");
        try
        {
            ranks ??= Ranks.Communicator;
            var settings = reference.Settings with { OutputFolder = output.FullName, PiecesPerPass = piecesPerPass };
            using var model = ModelFolder.Load(Path.Combine(folder, "start"), options.Loading()).Model;
            var adapter = Path.Combine(folder, "adapter-start");
            using var adapters = Directory.Exists(adapter) ? LoraAdapters.Load(adapter, model) : null;
            using var task = new TokenClassificationTask(model, labels: null, reference.Training, reference.Evaluation, settings, ranks: ranks);
            using var loop = new TrainingLoop(task, settings, [], ranks);
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
            ? WeightFiles.OpenFolder(Path.Combine(folder, "final")) : WeightFiles.OpenFile(Path.Combine(folder, "adapter-final", AdapterFile.SafetensorsName));
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

/// <summary>A recorded run of the Python stack's Trainer: <c>trainer_state.json</c> and <c>data.json</c> of a folder under <c>reference/training</c>.</summary>
/// <param name="Training">Rows trained on.</param>
/// <param name="Evaluation">Rows evaluated on.</param>
/// <param name="Order">Rows in the order in which they were read, read-ahead included.</param>
/// <param name="Losses">Logged loss by update, rounded to 4 decimals.</param>
/// <param name="LearningRates">Logged rate by update.</param>
/// <param name="Epochs">Logged epoch by update, rounded to 2 decimals.</param>
/// <param name="EvaluationLosses">Evaluation loss by update.</param>
/// <param name="Updates">Updates of the whole run.</param>
/// <param name="Settings">The run's arguments in our words.</param>
internal sealed record ReferenceRun(
    IReadOnlyList<EncodedSentence> Training, IReadOnlyList<EncodedSentence> Evaluation, IReadOnlyList<int> Order, SortedDictionary<int, double> Losses,
    SortedDictionary<int, double> LearningRates, SortedDictionary<int, double> Epochs, SortedDictionary<int, double> EvaluationLosses, int Updates,
    TrainingSettings Settings)
{
    /// <exception cref="InvalidDataException">A file is not of the expected form.</exception>
    public static ReferenceRun Load(string folder)
    {
        using var data = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "data.json")));
        using var state = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "trainer_state.json")));
        var log = state.RootElement.GetProperty("log_history").EnumerateArray().ToList();
        var evaluation = Rows(data.RootElement, "eval");
        var evaluations = Column(log, "eval_loss");
        return new(
            Rows(data.RootElement, "train"), evaluation, Integers(state.RootElement, "order"), Column(log, "loss"), Column(log, "learning_rate"),
            ColumnWhere(log, "epoch", "loss"), evaluations, state.RootElement.GetProperty("max_steps").GetInt32(),
            SettingsOf(state.RootElement.GetProperty("args"), evaluations.Keys, EvaluationBatch(state.RootElement.GetProperty("args"), log, evaluation.Count)));
    }

    private static TrainingSettings SettingsOf(JsonElement args, IEnumerable<int> evaluations, int evaluationBatch)
    {
        var d = new TrainingSettings();
        var maximumUpdates = (int)Number(args, "max_steps", -1);
        return d with
        {
            BatchSize = (int)Number(args, "per_device_train_batch_size", 8),
            AccumulationSteps = (int)Number(args, "gradient_accumulation_steps", 1),
            EvaluationBatchSize = evaluationBatch,
            EvaluationOrder = EvaluationOrder.AsGiven,
            Epochs = Number(args, "num_train_epochs", 3),
            MaximumUpdates = maximumUpdates > 0 ? maximumUpdates : null,
            LearningRate = Number(args, "learning_rate", 5e-5),
            WeightDecay = Number(args, "weight_decay", 0),
            Beta1 = Number(args, "adam_beta1", 0.9),
            Beta2 = Number(args, "adam_beta2", 0.999),
            Epsilon = Number(args, "adam_epsilon", 1e-8),
            Schedule = ShapeOf(args),
            WarmupUpdates = (int)Number(args, "warmup_steps", 0),
            WarmupRatio = Number(args, "warmup_steps", 0) > 0 ? 0 : Number(args, "warmup_ratio", 0),
            MaximumGradientNorm = Number(args, "max_grad_norm", 1),
            Seed = (long)Number(args, "seed", 42),
            LogEvery = 1,
            EvaluateEvery = evaluations.Aggregate(0, GreatestCommonDivisor),
            SaveEvery = Interval.Never,
            BestMetric = EvaluationResult.LossMetric,
        };
    }

    private static ScheduleShape ShapeOf(JsonElement args) => (args.TryGetProperty("lr_scheduler_type", out var type) ? type.GetString() : "linear") switch
    {
        "linear" => ScheduleShape.Linear,
        "cosine" => ScheduleShape.Cosine,
        "constant" => ScheduleShape.Constant,
        var other => throw new InvalidDataException($"lr_scheduler_type is {other}; this build knows linear, cosine and constant."),
    };

    // The record may leave the evaluation batch out. It then follows from the speeds: rows per batch on average = samples/s over steps/s.
    private static int EvaluationBatch(JsonElement args, List<JsonElement> log, int rows)
    {
        if (args.TryGetProperty("per_device_eval_batch_size", out var given))
        {
            return given.GetInt32();
        }

        var timed = log.FirstOrDefault(entry => entry.TryGetProperty("eval_samples_per_second", out _));
        if (timed.ValueKind == JsonValueKind.Undefined || rows == 0)
        {
            return 8;
        }

        var batches = (int)Math.Round(
            rows / (timed.GetProperty("eval_samples_per_second").GetDouble() / timed.GetProperty("eval_steps_per_second").GetDouble()));
        int[] usual = [8, (int)Number(args, "per_device_train_batch_size", 8)];
        return usual.Where(size => (rows + size - 1) / size == batches).Append((rows + batches - 1) / batches).First();
    }

    private static List<EncodedSentence> Rows(JsonElement data, string split) => [.. data.GetProperty(split).EnumerateArray().Select(row =>
    {
        var inputIds = Integers(row, "input_ids");
        return new EncodedSentence(inputIds, Integers(row, "labels"), [.. Enumerable.Repeat(-1, inputIds.Length)]);
    })];

    private static int[] Integers(JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(value => value.GetInt32())];

    private static double Number(JsonElement args, string name, double missing) =>
        args.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : missing;

    private static SortedDictionary<int, double> Column(List<JsonElement> log, string name) => ColumnWhere(log, name, name);

    private static SortedDictionary<int, double> ColumnWhere(List<JsonElement> log, string name, string present) => new(log
        .Where(entry => entry.TryGetProperty(present, out _))
        .ToDictionary(entry => entry.GetProperty("step").GetInt32(), entry => entry.GetProperty(name).GetDouble()));

    private static int GreatestCommonDivisor(int a, int b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);
}
