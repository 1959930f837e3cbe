using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Results;

/// <summary>
/// Hands a run's scores to the program that runs the notebook: the runner shows them on its page and in run.json, and its sweep compares them.
/// Whoever runs the notebook names a folder in <see cref="HostContract.OutputVariable"/>; elsewhere (Polyglot, a plain program) nothing is written.
/// </summary>
public static class RunScores
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes the scores, replacing those written before.</summary>
    /// <param name="scores">Name → value; one that is not finite is left out, JSON cannot say it.</param>
    /// <returns>The file, or null when nobody asked for one.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static string? Publish(IEnumerable<KeyValuePair<string, double>> scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        if (Environment.GetEnvironmentVariable(HostContract.OutputVariable) is not { Length: > 0 } folder)
        {
            return null;
        }

        var path = Path.Combine(folder, HostContract.ScoresName);
        AtomicFile.WriteText(path, JsonSerializer.Serialize(scores.Where(score => double.IsFinite(score.Value)).ToDictionary(), Indented));
        return path;
    }

    /// <summary>Says what runs, for the head of the page: profile, model and data that are really used, so that no title speaks for others.</summary>
    /// <param name="about">A sentence, for instance <c>demo: tiny-deberta-v3 (1,446,815 parameters), the repository's own sample</c>.</param>
    /// <returns>The file, or null when nobody asked for one.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static string? Describe(string about)
    {
        ArgumentNullException.ThrowIfNull(about);
        if (Environment.GetEnvironmentVariable(HostContract.OutputVariable) is not { Length: > 0 } folder)
        {
            return null;
        }

        var path = Path.Combine(folder, HostContract.AboutName);
        var groups = new Dictionary<string, string> { ["test"] = "test, by words", ["validation"] = "best validation, by pieces" };
        AtomicFile.WriteText(path, JsonSerializer.Serialize(new { about, groups }, Indented));
        return path;
    }

    /// <summary>Writes the scores of a row of the table of runs: those that it has.</summary>
    /// <inheritdoc cref="Publish(IEnumerable{KeyValuePair{string, double}})"/>
    public static string? Publish(RunRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        (string Name, double? Value)[] scores =
        [
            ("test F1", row.TestF1), ("test precision", row.TestPrecision), ("test recall", row.TestRecall), ("test F1 macro", row.TestF1Macro),
            ("test F1 weighted", row.TestF1Weighted), ("test F1 strict", row.TestF1Strict), ("validation F1", row.ValidationF1),
            ("training seconds", row.TrainSeconds), ("tokens per second", row.TokensPerSecond),
        ];
        return Publish(scores.Where(score => score.Value is not null).Select(score => KeyValuePair.Create(score.Name, score.Value!.Value)));
    }
}
