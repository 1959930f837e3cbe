using System.Collections.Concurrent;

namespace NotebookLib.Training;

/// <summary>
/// The folders in which this process began a run: running a notebook's training cell twice may replace what its first run left, and nothing that was there before the process.
/// </summary>
internal static class OwnRuns
{
    private static readonly ConcurrentDictionary<string, bool> Folders = new(StringComparer.Ordinal);

    /// <summary>Notes that a run began afresh in a folder of checkpoints.</summary>
    public static void Add(string folder) => Folders[Path.GetFullPath(folder)] = true;

    /// <summary>Whether the checkpoints in a folder are of a run that this process began.</summary>
    public static bool Contains(string folder) => Folders.ContainsKey(Path.GetFullPath(folder));
}
