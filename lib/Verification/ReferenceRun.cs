using System.Text.Json;
using NotebookLib.Batching;
using NotebookLib.Training;

namespace NotebookLib.Verification;

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
