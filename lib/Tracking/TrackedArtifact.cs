namespace NotebookLib.Tracking;

/// <summary>An artifact to upload: files under one name, in versions.</summary>
public sealed record TrackedArtifact
{
    /// <summary>The collection's name: a-z, A-Z, 0-9, - _ and dot.</summary>
    public required string Name { get; init; }

    /// <summary>For example "model" or "dataset"; a collection holds one type.</summary>
    public required string Type { get; init; }

    /// <summary>Names in the artifact (with slashes) and the files' paths.</summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }

    /// <summary>Names of this version; "latest" is always added.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>A remark.</summary>
    public string? Description { get; init; }

    /// <summary>For example the scores.</summary>
    public IReadOnlyDictionary<string, object?>? Metadata { get; init; }

    /// <summary>All files of a folder, or only its top level, as the Hugging Face integration does with models.</summary>
    /// <param name="name">The collection's name.</param>
    /// <param name="type">The type.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="recursive">Whether folders in it count.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static TrackedArtifact FromFolder(string name, string type, string folder, bool recursive = true) => new()
    {
        Name = name,
        Type = type,
        Files = Directory.EnumerateFiles(folder, "*", recursive ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
            .ToDictionary(path => Path.GetRelativePath(folder, path).Replace('\\', '/')),
    };
}
