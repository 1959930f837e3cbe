using System.Runtime.CompilerServices;

namespace NotebookLib.Bench.Inputs;

/// <summary>Where the benchmark reads and writes: the repository, and the reference data beside it, which a user's clone lacks.</summary>
internal static class Folders
{
    public static string Repository { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", ".."));

    /// <summary>The table that <c>all</c> writes.</summary>
    public static string Results { get; } = Path.Combine(Repository, "bench", "RESULTS.md");

    /// <summary>A file or folder of the repository.</summary>
    public static string PathOf(params string[] parts) => Path.Combine([Repository, .. parts]);

    /// <summary>A file or folder under <c>../shared</c>, or null where it is missing.</summary>
    public static string? Shared(params string[] parts)
    {
        var path = Path.GetFullPath(Path.Combine([Repository, "..", "shared", .. parts]));
        return Path.Exists(path) ? path : null;
    }

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
