using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Model;
using NotebookLib.Training;

namespace NotebookLib.Tracking;

/// <summary>
/// The configuration of a training run: config.json's keys and, under the names of transformers' TrainingArguments, what both stacks have, so that a table of
/// runs compares ours with the original's; <c>settings</c> holds all of ours, <c>plan</c> what they came to. Folders lose their parents, which would name the
/// user.
/// </summary>
internal static class TrainingConfig
{
    /// <summary>The values.</summary>
    /// <param name="summary">What the run decided.</param>
    /// <param name="model">The model, or null.</param>
    public static IReadOnlyDictionary<string, object?> Of(RunSummary summary, DebertaConfig? model)
    {
        Dictionary<string, object?> config = [];
        foreach (var (key, value) in model is null ? [] : (JsonObject)JsonNode.Parse(model.ToJson())!)
        {
            config[key] = value;
        }

        var output = Path.GetFileName(Path.TrimEndingDirectorySeparator(summary.Settings.OutputFolder));
        foreach (var (key, value) in Arguments(summary, output))
        {
            config[key] = value;
        }

        config["settings"] = JsonSerializer.SerializeToNode(summary.Settings with { OutputFolder = output }, StateJson.Options);
        config["plan"] = Plan(summary);
        return config;
    }

    private static Dictionary<string, object?> Arguments(RunSummary summary, string output)
    {
        var settings = summary.Settings;
        return new()
        {
            ["output_dir"] = output,
            ["per_device_train_batch_size"] = settings.BatchSize,
            ["per_device_eval_batch_size"] = settings.EvaluationBatchSize,
            ["gradient_accumulation_steps"] = settings.AccumulationSteps,
            ["learning_rate"] = settings.LearningRate,
            ["weight_decay"] = settings.WeightDecay,
            ["adam_beta1"] = settings.Beta1,
            ["adam_beta2"] = settings.Beta2,
            ["adam_epsilon"] = settings.Epsilon,
            ["max_grad_norm"] = settings.MaximumGradientNorm,
            ["num_train_epochs"] = settings.Epochs,
            // transformers' word for "the epochs decide".
            ["max_steps"] = settings.MaximumUpdates ?? -1,
            ["lr_scheduler_type"] = settings.Schedule
                switch
            { ScheduleShape.Linear => "linear", ScheduleShape.Cosine => "cosine", _ => "constant_with_warmup" },
            ["warmup_ratio"] = settings.WarmupRatio,
            ["warmup_steps"] = settings.WarmupUpdates,
            ["logging_steps"] = settings.LogEvery.Value,
            ["eval_steps"] = settings.EvaluateEvery.Value,
            ["save_steps"] = settings.SaveEvery.Value,
            ["save_total_limit"] = settings.KeepCheckpoints,
            ["seed"] = settings.Seed,
            ["bf16"] = settings.Precision is TrainingPrecision.BFloat16,
            ["fp16"] = settings.Precision is TrainingPrecision.Float16,
            ["metric_for_best_model"] = settings.BestMetric,
            ["greater_is_better"] = settings.BestMetric != EvaluationResult.LossMetric,
        };
    }

    /// <summary>What the run decided, without what the configuration says elsewhere.</summary>
    private static Dictionary<string, object?> Plan(RunSummary summary)
    {
        var plan = JsonSerializer.SerializeToNode(summary, StateJson.Options)!.AsObject();
        return plan.Where(pair => pair.Key is not ("seed" or "settings" or "adapters" or "adaptedLayers"))
            .ToDictionary(pair => pair.Key, pair => Plain(pair.Value));
    }

    // Texts as such: the journal keeps secrets out of them, and writes them without escapes.
    private static object? Plain(JsonNode? node) => node switch
    {
        JsonObject members => members.ToDictionary(pair => pair.Key, pair => Plain(pair.Value)),
        JsonValue value when value.TryGetValue<string>(out var text) => text,
        _ => node,
    };
}
