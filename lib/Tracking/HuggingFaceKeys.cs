namespace NotebookLib.Tracking;

/// <summary>
/// Names as the Hugging Face integration gives them, so that our runs and the original's share their charts (transformers 4.35.2, integrations, rewrite_logs).
/// </summary>
internal static class HuggingFaceKeys
{
    /// <summary>The key of the horizontal axis.</summary>
    public const string GlobalStep = "train/global_step";

    /// <summary>"eval_f1" becomes "eval/f1", "test_f1" becomes "test/f1", everything else "train/…".</summary>
    /// <param name="key">A key of a Trainer's log.</param>
    public static string Rewrite(string key)
    {
        return key.StartsWith("eval_", StringComparison.Ordinal) ? "eval/" + key["eval_".Length..]
            : key.StartsWith("test_", StringComparison.Ordinal) ? "test/" + key["test_".Length..]
            : "train/" + key;
    }

    /// <summary>A Trainer's log as a row: keys rewritten, the global step added.</summary>
    /// <param name="log">For example loss, learning_rate, epoch.</param>
    /// <param name="globalStep">Updates so far.</param>
    public static IReadOnlyDictionary<string, object?> Row(IEnumerable<KeyValuePair<string, object?>> log, long globalStep)
    {
        var row = log.ToDictionary(pair => Rewrite(pair.Key), pair => pair.Value);
        row[GlobalStep] = globalStep;
        return row;
    }

    /// <summary>Defines the step metric as the integration does.</summary>
    /// <param name="tracker">The run.</param>
    public static void DefineStep(TrackedRun tracker)
    {
        tracker.DefineMetric(GlobalStep);
        tracker.DefineMetric("*", GlobalStep, stepSync: true);
    }
}
