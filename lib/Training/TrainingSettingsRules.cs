using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>
/// What makes training settings impossible beside one another, the data and the machine; what each may be by itself stands at its declaration.
/// </summary>
internal static class TrainingSettingsRules
{
    /// <summary>Faults that the settings show alone.</summary>
    public static List<string> FindFaults(TrainingSettings s)
    {
        var faults = SettingRules.FindFaults(s);
        void Require(bool holds, string name, object? seen, string expected) => SettingRules.Require(holds, name, seen, expected, faults);
        Require(s.BatchSize < 1 || s.AccumulationSteps < 1 || (long)s.BatchSize * s.AccumulationSteps <= 1 << 24, "BatchSize × AccumulationSteps",
            $"{s.BatchSize} × {s.AccumulationSteps}", "at most 16,777,216 sentences an update, for instance 16 × 8");
        Require(EvaluationResult.KnownMetrics.Contains(s.BestMetric), nameof(s.BestMetric), $"\"{s.BestMetric}\"",
            "one of " + string.Join(", ", EvaluationResult.KnownMetrics));
        if (s.ClassWeights is { } weights)
        {
            var wrong = weights.Select((weight, id) => (weight, id)).FirstOrDefault(pair => !(pair.weight >= 0 && double.IsFinite(pair.weight)), (0, -1));
            Require(wrong.Item2 < 0, $"{nameof(s.ClassWeights)}[{wrong.Item2}]", wrong.Item1, "0 or more and finite, for instance 1");
            Require(weights.Any(weight => weight > 0), nameof(s.ClassWeights), "all 0", "at least one weight above 0");
        }

        Require(s.WarmupUpdates == 0 || s.WarmupRatio == 0, $"{nameof(s.WarmupUpdates)} and {nameof(s.WarmupRatio)}",
            Invariant($"{s.WarmupUpdates} and {s.WarmupRatio}"), "one of them, the other 0");
        Require(s.MaximumUpdates is not { } updates || updates < 1 || s.WarmupUpdates <= updates, nameof(s.WarmupUpdates),
            $"{s.WarmupUpdates} of {s.MaximumUpdates} updates", $"at most MaximumUpdates, for instance {Math.Max(1, (s.MaximumUpdates ?? 0) / 20)}");
        Require(s.Precision != TrainingPrecision.Int8, nameof(s.Precision), s.Precision,
            "BFloat16 or Float32 to train in (products in int8 have no gradient: they are for evaluating and tagging with what was trained)");
        if (Ranks.Count > 1 && s.BatchSize >= 1 && s.AccumulationSteps >= 1 && Ranks.FindFault(Ranks.Count, s) is { } fault)
        {
            faults.Add(fault);
        }

        Require(s.EarlyStoppingPatience is null || s.EvaluateEvery.Value != 0, nameof(s.EarlyStoppingPatience),
            $"{s.EarlyStoppingPatience} while EvaluateEvery is never", "EvaluateEvery above 0, for instance 257, or no patience");
        return faults;
    }

    /// <summary>These, and faults that show only beside the data and the machine.</summary>
    public static List<string> FindFaults(TrainingSettings s, int rows, int evaluationRows, int? labels, bool isCuda)
    {
        var faults = FindFaults(s);
        void Require(bool holds, string name, object? seen, string expected) => SettingRules.Require(holds, name, seen, expected, faults);
        Require(rows >= 1, "training rows", rows, "at least one sentence");
        Require(labels is null || s.ClassWeights is null || s.ClassWeights.Count == labels, nameof(s.ClassWeights), $"{s.ClassWeights?.Count} weights",
            $"one per label: {labels}");
        Require(s.Precision != TrainingPrecision.Float16 || isCuda, nameof(s.Precision), s.Precision,
            "BFloat16 on a CPU (float16 is for CUDA: on CPUs it is slower than float32)");
        Require(s.EarlyStoppingPatience is null || evaluationRows > 0, nameof(s.EarlyStoppingPatience), $"{s.EarlyStoppingPatience} without evaluation rows",
            "evaluation rows, or no patience");
        if (faults.Count == 0 && new TrainingPlan(s, rows) is var plan && plan.WarmupUpdates > plan.Updates)
        {
            faults.Add($"WarmupUpdates is {plan.WarmupUpdates} while the run has {plan.Updates} updates; expected at most {plan.Updates}, "
                + $"for instance {Math.Max(1, plan.Updates / 20)}.");
        }

        return faults;
    }
}
