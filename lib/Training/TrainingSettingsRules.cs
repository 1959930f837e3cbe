using System.Globalization;

namespace NotebookLib.Training;

/// <summary>What makes training settings impossible: each rule says the name, the value seen and a value that would work.</summary>
internal static class TrainingSettingsRules
{
    public static IReadOnlyList<string> FindFaults(TrainingSettings s)
    {
        var faults = new List<string>();
        AddSizes(s, faults);
        AddOptimiser(s, faults);
        AddLoss(s, faults);
        AddIntervals(s, faults);
        AddCombinations(s, faults);
        return faults;
    }

    private static void AddSizes(TrainingSettings s, List<string> faults)
    {
        Require(s.BatchSize >= 1, nameof(s.BatchSize), s.BatchSize, "a number of sentences from 1 on, for instance 16", faults);
        Require(s.AccumulationSteps >= 1, nameof(s.AccumulationSteps), s.AccumulationSteps, "a number of micro-batches from 1 on, for instance 8", faults);
        Require(s.BatchSize < 1 || s.AccumulationSteps < 1 || (long)s.BatchSize * s.AccumulationSteps <= 1 << 24, "BatchSize × AccumulationSteps",
            $"{s.BatchSize} × {s.AccumulationSteps}", "at most 16,777,216 sentences an update, for instance 16 × 8", faults);
        Require(s.PiecesPerPass is null or >= 1, nameof(s.PiecesPerPass), s.PiecesPerPass,
            "a number of pieces from 1 on, for instance 4096, or null to let the device decide", faults);
        Require(s.EvaluationBatchSize >= 1, nameof(s.EvaluationBatchSize), s.EvaluationBatchSize, "a number of sentences from 1 on, for instance 16", faults);
        Require(s.MaximumUpdates is not null || s.Epochs is > 0 and <= 1e6, nameof(s.Epochs), s.Epochs, "a number of passes above 0, for instance 3", faults);
        Require(s.MaximumUpdates is null or >= 1, nameof(s.MaximumUpdates), s.MaximumUpdates, "a number of updates from 1 on, or null to let Epochs decide",
            faults);
        Require(s.KeepCheckpoints >= 1, nameof(s.KeepCheckpoints), s.KeepCheckpoints, "at least 1, for instance 2", faults);
        Require(!string.IsNullOrWhiteSpace(s.OutputFolder), nameof(s.OutputFolder), $"\"{s.OutputFolder}\"", "a folder, for instance runs/base-A", faults);
    }

    private static void AddOptimiser(TrainingSettings s, List<string> faults)
    {
        Require(s.LearningRate > 0 && double.IsFinite(s.LearningRate), nameof(s.LearningRate), s.LearningRate, "a rate above 0, for instance 5e-5", faults);
        Require(s.WeightDecay >= 0 && double.IsFinite(s.WeightDecay), nameof(s.WeightDecay), s.WeightDecay, "0 or more, for instance 0.01", faults);
        Require(s.Beta1 is >= 0 and < 1, nameof(s.Beta1), s.Beta1, "0 up to below 1, for instance 0.9", faults);
        Require(s.Beta2 is >= 0 and < 1, nameof(s.Beta2), s.Beta2, "0 up to below 1, for instance 0.999", faults);
        Require(s.Epsilon > 0 && double.IsFinite(s.Epsilon), nameof(s.Epsilon), s.Epsilon, "above 0, for instance 1e-8", faults);
        Require(s.WarmupUpdates >= 0, nameof(s.WarmupUpdates), s.WarmupUpdates, "0 or more", faults);
        Require(s.WarmupRatio is >= 0 and <= 1, nameof(s.WarmupRatio), s.WarmupRatio, "a fraction of the run between 0 and 1, for instance 0.05", faults);
        Require(s.MaximumGradientNorm >= 0, nameof(s.MaximumGradientNorm), s.MaximumGradientNorm, "a norm above 0, for instance 1, or 0 for no clipping",
            faults);
        RequireDefined(s.Schedule, nameof(s.Schedule), faults);
        RequireDefined(s.Precision, nameof(s.Precision), faults);
    }

    private static void AddLoss(TrainingSettings s, List<string> faults)
    {
        Require(s.FocalGamma >= 0 && double.IsFinite(s.FocalGamma), nameof(s.FocalGamma), s.FocalGamma, "0 for cross-entropy, or for instance 2", faults);
        RequireDefined(s.LossAverage, nameof(s.LossAverage), faults);
        if (s.ClassWeights is { } weights)
        {
            var wrong = weights.Select((weight, id) => (weight, id)).FirstOrDefault(pair => !(pair.weight >= 0 && double.IsFinite(pair.weight)), (0, -1));
            Require(wrong.Item2 < 0, $"{nameof(s.ClassWeights)}[{wrong.Item2}]", wrong.Item1, "0 or more and finite, for instance 1", faults);
            Require(weights.Any(weight => weight > 0), nameof(s.ClassWeights), "all 0", "at least one weight above 0", faults);
        }
    }

    private static void AddIntervals(TrainingSettings s, List<string> faults)
    {
        foreach (var (name, interval)
            in (ReadOnlySpan<(string, Interval)>)[(nameof(s.LogEvery), s.LogEvery), (nameof(s.EvaluateEvery), s.EvaluateEvery),
            (nameof(s.SaveEvery), s.SaveEvery)])
        {
            Require(interval.IsValid, name, interval.Value, "a whole number of updates (10), a fraction of the run below 1 (0.05), or 0 for never", faults);
        }

        Require(s.EarlyStoppingPatience is null or >= 1, nameof(s.EarlyStoppingPatience), s.EarlyStoppingPatience,
            "evaluations from 1 on, for instance 3, or null", faults);
        Require(EvaluationResult.KnownMetrics.Contains(s.BestMetric), nameof(s.BestMetric), $"\"{s.BestMetric}\"",
            "one of " + string.Join(", ", EvaluationResult.KnownMetrics), faults);
        RequireDefined(s.EvaluationOrder, nameof(s.EvaluationOrder), faults);
        RequireDefined(s.OnNonFinite, nameof(s.OnNonFinite), faults);
        RequireDefined(s.ExistingRun, nameof(s.ExistingRun), faults);
    }

    private static void AddCombinations(TrainingSettings s, List<string> faults)
    {
        Require(s.WarmupUpdates == 0 || s.WarmupRatio == 0, $"{nameof(s.WarmupUpdates)} and {nameof(s.WarmupRatio)}",
            $"{s.WarmupUpdates} and {Text(s.WarmupRatio)}", "one of them, the other 0", faults);
        Require(s.MaximumUpdates is not { } updates || updates < 1 || s.WarmupUpdates <= updates, nameof(s.WarmupUpdates),
            $"{s.WarmupUpdates} of {s.MaximumUpdates} updates", $"at most MaximumUpdates, for instance {Math.Max(1, (s.MaximumUpdates ?? 0) / 20)}", faults);
        Require(s.EarlyStoppingPatience is null || s.EvaluateEvery.Value != 0, nameof(s.EarlyStoppingPatience),
            $"{s.EarlyStoppingPatience} while EvaluateEvery is never", "EvaluateEvery above 0, for instance 257, or no patience", faults);
    }

    /// <summary>Faults that show only beside the data and the machine.</summary>
    public static IReadOnlyList<string> FindFaults(TrainingSettings s, int rows, int evaluationRows, int? labels, bool isCuda)
    {
        var faults = new List<string>(FindFaults(s));
        Require(rows >= 1, "training rows", rows, "at least one sentence", faults);
        Require(labels is null || s.ClassWeights is null || s.ClassWeights.Count == labels, nameof(s.ClassWeights), $"{s.ClassWeights?.Count} weights",
            $"one per label: {labels}", faults);
        Require(s.Precision != TrainingPrecision.Float16 || isCuda, nameof(s.Precision), s.Precision,
            "BFloat16 on a CPU (float16 is for CUDA: on CPUs it is slower than float32)", faults);
        Require(s.EarlyStoppingPatience is null || evaluationRows > 0, nameof(s.EarlyStoppingPatience), $"{s.EarlyStoppingPatience} without evaluation rows",
            "evaluation rows, or no patience", faults);
        if (faults.Count == 0 && new TrainingPlan(s, rows) is var plan && plan.WarmupUpdates > plan.Updates)
        {
            faults.Add($"WarmupUpdates is {plan.WarmupUpdates} while the run has {plan.Updates} updates; expected at most {plan.Updates}, "
                + $"for instance {Math.Max(1, plan.Updates / 20)}.");
        }

        return faults;
    }

    /// <exception cref="ArgumentException">There are faults: all together.</exception>
    public static void ThrowIfFaulty(IReadOnlyList<string> faults)
    {
        if (faults.Count > 0)
        {
            throw new ArgumentException($"The training settings have {faults.Count} {(faults.Count == 1 ? "fault" : "faults")}:\n"
                + string.Join('\n', faults.Select(fault => "  " + fault)));
        }
    }

    private static void Require(bool holds, string name, object? seen, string expected, List<string> faults)
    {
        if (!holds)
        {
            faults.Add($"{name} is {Text(seen)}; expected {expected}.");
        }
    }

    private static void RequireDefined<T>(T value, string name, List<string> faults) where T : struct, Enum =>
        Require(Enum.IsDefined(value), name, value, "one of " + string.Join(", ", Enum.GetNames<T>()), faults);

    private static string Text(object? value) => value is null ? "null" : Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
