namespace NotebookLib.Experiments;

/// <summary>Finds the repository's files from wherever the library runs: it is built into <c>bin/lib</c>, two levels below the root.</summary>
internal static class RepositoryFiles
{
    /// <summary>The repository's root.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(RepositoryFiles).Assembly.Location)!, "..", ".."));

    /// <summary>A file or folder of the repository.</summary>
    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>
    /// What a path in a parameter means: as it stands when there is such a file or folder (seen from the notebook's folder), else seen from the repository's
    /// root, which is where the command line is typed.
    /// </summary>
    /// <returns>A full path, or null when neither is there.</returns>
    public static string? Find(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        string[] places = [Path.GetFullPath(path), Path.GetFullPath(Path.Combine(Root, path))];
        return Array.Find(places, Path.Exists);
    }
}
