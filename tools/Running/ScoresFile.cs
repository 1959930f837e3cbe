using System.Text.Json;

namespace NotebookRunner.Running;

/// <summary>What a notebook says its scores are: <c>scores.json</c> in the run's folder, one object, name → number.</summary>
internal static class ScoresFile
{
    private const string Name = "scores.json";
    private const long LargestBytes = 1 << 20;

    /// <summary>Removes the scores of an earlier run in the same folder.</summary>
    public static void Forget(string folder) => File.Delete(Path.Combine(folder, Name));

    /// <summary>Reads them; empty when the notebook wrote none.</summary>
    /// <exception cref="InvalidDataException">The file is too large or of another form.</exception>
    public static IReadOnlyDictionary<string, double> Read(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, Name));
        if (!file.Exists)
        {
            return new Dictionary<string, double>();
        }

        try
        {
            return file.Length <= LargestBytes
                ? JsonSerializer.Deserialize<Dictionary<string, double>>(File.ReadAllText(file.FullName)) ?? throw new JsonException("it is null")
                : throw new JsonException($"{file.Length} bytes are more than scores take");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{file.FullName}: expected one JSON object of numbers: {error.Message}", error);
        }
    }
}
