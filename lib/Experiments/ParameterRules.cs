using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>What makes a notebook's numbers impossible, in the words of its parameter cell; the library's own rules speak of its settings.</summary>
internal static class ParameterRules
{
    /// <summary>Faults of the numbers that decide the training.</summary>
    /// <param name="options">The parameters.</param>
    /// <param name="settings">What became of them.</param>
    public static IReadOnlyList<string> OfTraining(ExperimentOptions options, TrainingSettings settings)
    {
        var faults = new List<string>();
        Require(options.Epochs is null || options.Updates is not null || options.Epochs is > 0 and <= 1e6, Invariant($"epochs is {options.Epochs}; expected a number of passes above 0, for instance 3."));
        Require(options.Updates is null or >= 1, Invariant($"updates is {options.Updates}; expected a number of updates from 1 on, or null to let epochs decide."));
        Require(options.LearningRate is null || (options.LearningRate > 0 && double.IsFinite(options.LearningRate.Value)), Invariant($"learningRate is {options.LearningRate}; expected a rate above 0, for instance 5e-5."));
        Require(options.WarmupRatio is null or (>= 0 and <= 1), Invariant($"warmupRatio is {options.WarmupRatio}; expected a share of the updates between 0 and 1, for instance 0.05."));
        Require(options.BatchSize is null or >= 1, Invariant($"batchSize is {options.BatchSize}; expected a number of sentences from 1 on, for instance 16."));
        Require(options.AccumulationSteps is null or >= 1, Invariant($"accumulationSteps is {options.AccumulationSteps}; expected a number of micro-batches from 1 on, for instance 8."));
        Require(
            settings.BatchSize < 1 || settings.AccumulationSteps < 1 || (long)settings.BatchSize * settings.AccumulationSteps <= 1 << 24,
            Invariant($"batchSize × accumulationSteps is {settings.BatchSize} × {settings.AccumulationSteps}; expected at most 16,777,216 sentences an update, for instance 16 × 8."));
        Require(settings.EvaluateEvery.IsValid, Invariant($"evaluateEvery is {options.EvaluateEvery}; expected a whole number of updates (100), a share of the run below 1 (0.05), or 0 for never."));
        Require(settings.SaveEvery.IsValid, Invariant($"saveEvery is {options.SaveEvery}; expected a whole number of updates (100), a share of the run below 1 (0.25), or 0 for the end alone."));
        Require(options.FocalGamma >= 0 && double.IsFinite(options.FocalGamma), Invariant($"focalGamma is {options.FocalGamma}; expected 0 for cross-entropy, or for instance 2."));
        return faults.Count > 0 ? faults : settings.FindFaults();

        void Require(bool holds, string fault) => faults.AddRange(holds ? [] : [fault]);
    }

    /// <summary>Faults of the numbers that decide the adapters.</summary>
    /// <param name="options">The parameters.</param>
    /// <param name="settings">What became of them.</param>
    public static IReadOnlyList<string> OfAdapters(ExperimentOptions options, Lora.LoraSettings settings)
    {
        var faults = new List<string>();
        faults.AddRange(options.LoraRank is >= 1 and <= 4096 ? [] : [Invariant($"loraRank is {options.LoraRank}; expected a width from 1 to 4096, for instance 4.")]);
        faults.AddRange(options.LoraAlpha > 0 && double.IsFinite(options.LoraAlpha) ? [] : [Invariant($"loraAlpha is {options.LoraAlpha}; expected above 0, for instance 8 (twice loraRank).")]);
        return faults.Count > 0 ? faults : settings.FindFaults();
    }
}
