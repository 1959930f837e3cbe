using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Results;

/// <summary>Which runs can be compared, and which are repetitions of one another.</summary>
internal static class RunGroups
{
    // They say where a run's files went and how often it wrote some, not what it learned.
    private static readonly string[] Incidental = ["Seed", "OutputFolder", "ExistingRun", "SaveEvery", "LogEvery", "KeepCheckpoints"];

    /// <summary>A run that was tested; rows of runs without a test sentence, which older versions wrote, score nothing.</summary>
    public static bool IsTested(RunRow run) => run.TestF1 is not null && run.TestSentences != 0;

    /// <summary>The same for runs whose test scores can be compared: one system and profile, tested on the same sentences, as far as a name and two counts can tell.</summary>
    public static TestKey Test(RunRow run) => new(run.System, run.Profile, run.Data, run.TestSentences, run.TestEntities);

    /// <summary>The same for runs that repeat one another with other seeds.</summary>
    public static RepetitionKey Repetition(RunRow run) => new(
        Test(run), run.Model, run.TrainingSentences, run.Updates, run.LearningRate, run.EffectiveBatch, run.Precision, run.TrainedParameters, SettingsOf(run.Parameters));

    private static string SettingsOf(string parameters)
    {
        try
        {
            if (JsonNode.Parse(parameters) is JsonObject settings)
            {
                return string.Join(';', settings.Where(setting => !Incidental.Contains(setting.Key)).Select(setting => $"{setting.Key}={setting.Value?.ToJsonString()}"));
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
internal sealed record RepetitionKey(
    TestKey Test, string Model, long? TrainingSentences, long? Updates, double? LearningRate, long? EffectiveBatch, string Precision, long? TrainedParameters, string Settings);
