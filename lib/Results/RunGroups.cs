using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Results;

/// <summary>Which runs can be compared, and which are repetitions of one another.</summary>
internal static class RunGroups
{
    // What a table's columns say besides: a run that differs in one of these is another experiment.
    private static readonly (string Name, Func<RunRow, object?> Value)[] Settings =
    [
        ("model", run => run.Model), ("method", run => run.Method), ("types", run => run.Types), ("lora_rank", run => run.LoraRank),
        ("lora_alpha", run => run.LoraAlpha),
        ("frozen_base", run => run.FrozenBase), ("precision", run => run.Precision), ("device", run => run.Device),
        ("training_sentences", run => run.TrainingSentences),
        ("trained_parameters", run => run.TrainedParameters), ("epochs", run => run.Epochs), ("effective_batch", run => run.EffectiveBatch),
        ("batch_size", run => run.BatchSize),
        ("warmup_ratio", run => run.WarmupRatio), ("loss_average", run => run.LossAverage), ("focal_gamma", run => run.FocalGamma),
        ("class_weights", run => run.ClassWeights),
        ("listing", run => run.Listing), ("keep", run => run.Keep),
    ];

    // They say where a run's files went and how often it wrote some, not what it learned.
    private static readonly string[] Incidental = ["Seed", "OutputFolder", "ExistingRun", "SaveEvery", "LogEvery", "KeepCheckpoints"];

    /// <summary>A run that was tested; rows of runs without a test sentence, which older versions wrote, score nothing.</summary>
    public static bool IsTested(RunRow run) => run.TestF1 is not null && run.TestSentences != 0;

    /// <summary>
    /// The same for runs whose test scores can be compared: one system and profile, tested on the same sentences, as far as a name and two counts can tell.
    /// </summary>
    public static TestKey Test(RunRow run) => new(run.System, run.Profile, run.Data, run.TestSentences, run.TestEntities);

    /// <summary>The same for runs that repeat one another with other seeds.</summary>
    public static RepetitionKey Repetition(RunRow run) => new(
        Test(run), run.Updates, run.LearningRate, string.Join(';', Settings.Select(setting => CsvLedger<RunRow>.TextOf(setting.Value(run)))),
        SettingsOf(run.Parameters));

    /// <summary>
    /// In which settings an experiment differs from others on the same sentences, with its values; a row that does not know a setting says nothing of it.
    /// </summary>
    public static string DifferencesOf(RunRow run, IReadOnlyList<RunRow> others) => string.Join(", ", Settings
        .Where(setting => others.Select(other => CsvLedger<RunRow>.TextOf(setting.Value(other))).Where(value => value.Length > 0).Distinct().Skip(1).Any())
        .Select(setting => (setting.Name, Value: CsvLedger<RunRow>.TextOf(setting.Value(run))))
        .Where(setting => setting.Value.Length > 0)
        .Select(setting => $"{setting.Name} {setting.Value}"));

    private static string SettingsOf(string parameters)
    {
        try
        {
            if (StrictJson.ParseNode(parameters) is JsonObject settings)
            {
                return string.Join(';', settings.Where(setting => !Incidental.Contains(setting.Key))
                    .Select(setting => $"{setting.Key}={setting.Value?.ToJsonString()}"));
            }
        }
        catch (JsonException)
        {
            // A row that somebody wrote by hand is compared as it stands.
        }

        return parameters;
    }
}

/// <summary>What runs have in common that were tested on the same sentences.</summary>
internal sealed record TestKey(string System, string Profile, string Data, long? TestSentences, long? TestEntities);

/// <summary>What runs have in common that differ in their seeds alone.</summary>
internal sealed record RepetitionKey(TestKey Test, long? Updates, double? LearningRate, string Settings, string Parameters);
