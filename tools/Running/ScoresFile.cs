using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookRunner.Running;

/// <summary>What a notebook says its scores are: <c>scores.json</c> in the run's folder, one object, name → number.</summary>
internal static class ScoresFile
{
    private const long LargestBytes = 1 << 20;

    /// <summary>Removes the scores of an earlier run in the same folder.</summary>
    public static void Forget(string folder)
    {
        File.Delete(Path.Combine(folder, HostContract.ScoresName));
        File.Delete(Path.Combine(folder, HostContract.AboutName));
    }

    /// <summary>
    /// Reads what the notebook says about its run: a sentence, and what scores were counted on by the first word of their names; empty when it says nothing.
    /// </summary>
    /// <exception cref="InvalidDataException">The file is too large or of another form.</exception>
    public static (string About, IReadOnlyDictionary<string, string> Groups) ReadAbout(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, HostContract.AboutName));
        try
        {
            var said = !file.Exists ? null
                : file.Length <= LargestBytes ? StrictJson.Deserialize<Said>(File.ReadAllBytes(file.FullName), JsonSerializerOptions.Web)
                : throw new JsonException($"{file.Length} bytes are more than a sentence takes");
            if (said?.Groups?.ContainsValue(null!) == true)
            {
                throw new JsonException("a group is null");
            }

            return (said?.About ?? "", said?.Groups ?? new Dictionary<string, string>());
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{file.FullName}: expected an object with about and groups: {error.Message}", error);
        }
    }

    /// <summary>Scores under what they were counted on, told by the first word of their names; those that say nothing of it last, without a title.</summary>
    public static IReadOnlyList<(string Title, IReadOnlyList<(string Name, double Value)> Scores)> Grouped(
        IReadOnlyDictionary<string, double> scores, IReadOnlyDictionary<string, string> groups) =>
    [
        .. scores
            .GroupBy(score => groups.GetValueOrDefault(score.Key.Split(' ', 2)[0], ""))
            .OrderBy(group => group.Key.Length == 0)
            .Select(group => (group.Key, (IReadOnlyList<(string, double)>)[.. group.Select(score =>
                (group.Key.Length > 0 && score.Key.Contains(' ', StringComparison.Ordinal) ? score.Key.Split(' ', 2)[1] : score.Key, score.Value))])),
    ];

    private sealed record Said(string? About, Dictionary<string, string>? Groups);

    /// <summary>Reads them; empty when the notebook wrote none.</summary>
    /// <exception cref="InvalidDataException">The file is too large or of another form.</exception>
    public static IReadOnlyDictionary<string, double> Read(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, HostContract.ScoresName));
        if (!file.Exists)
        {
            return new Dictionary<string, double>();
        }

        try
        {
            return file.Length <= LargestBytes
                ? StrictJson.Deserialize<Dictionary<string, double>>(File.ReadAllBytes(file.FullName), JsonSerializerOptions.Default)
                : throw new JsonException($"{file.Length} bytes are more than scores take");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{file.FullName}: expected one JSON object of numbers: {error.Message}", error);
        }
    }
}
