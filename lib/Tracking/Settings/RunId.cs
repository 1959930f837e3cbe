using System.Security.Cryptography;

namespace NotebookLib.Tracking;

/// <summary>Run ids: what W&amp;B accepts, and new random ones.</summary>
public static class RunId
{
    private const string Alphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
    private const int LongestId = 64;

    /// <summary>A new id: 8 characters of [0-9a-z], 36^8 = 2.8e12 possibilities.</summary>
    public static string New() => RandomNumberGenerator.GetString(Alphabet, 8);

    /// <summary>128 random characters: the client id of an artifact (WANDB.md §7).</summary>
    internal static string NewArtifactClientId() => RandomNumberGenerator.GetString(Alphabet, 128);

    /// <summary>Says what is wrong with an id.</summary>
    /// <returns>Null when the id is fine, else a sentence.</returns>
    public static string? Fault(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        // The id becomes a folder name, a file name and a segment of a URL.
        return id.Length is 0 or > LongestId || id.Any(c => c is not ((>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or (>= '0' and <= '9') or '-' or '_'))
            ? $"run id \"{id}\": expected 1 to {LongestId} characters of a-z, A-Z, 0-9, - and _, for example \"{New()}\""
            : null;
    }
}
