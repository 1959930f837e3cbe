using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// What this process trained: the folders in which it began a run (one that was there before the process is never replaced), and the models whose weights it
/// moved.
/// </summary>
internal static class OwnRuns
{
    private static readonly ConcurrentDictionary<string, bool> Folders = new(StringComparer.Ordinal);

    private static readonly ConditionalWeakTable<nn.Module, object> Models = [];

    /// <summary>Notes that a model's weights were moved.</summary>
    public static void AddTrained(nn.Module model) => Models.AddOrUpdate(model, Folders);

    /// <summary>Whether a model's weights are no longer those that were loaded.</summary>
    public static bool HasTrained(nn.Module model) => Models.TryGetValue(model, out _);

    /// <summary>Notes that a run began afresh in a folder of checkpoints.</summary>
    public static void Add(string folder) => Folders[Path.GetFullPath(folder)] = true;

    /// <summary>Whether the checkpoints in a folder are of a run that this process began.</summary>
    public static bool Contains(string folder) => Folders.ContainsKey(Path.GetFullPath(folder));
}
