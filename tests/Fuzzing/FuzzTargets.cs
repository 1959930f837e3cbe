namespace NotebookLib.Tests.Fuzzing;

/// <summary>All readers of files and answers from others.</summary>
internal static class FuzzTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
        [.. ModelTargets.All, .. DataTargets.All, .. TrainingTargets.All, .. TrackingTargets.All, .. HubTargets.All, .. DocumentTargets.All];

    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static FuzzTarget Find(string name) => All.FirstOrDefault(target => target.Name == name)
        ?? throw new ArgumentException($"no reader {name}; there are {string.Join(", ", All.Select(target => target.Name))}");
}
