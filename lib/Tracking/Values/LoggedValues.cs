namespace NotebookLib.Tracking;

/// <summary>A table of a run, logged as W&amp;B's table: a file in the run and an artifact of type run_table.</summary>
/// <param name="Columns">The columns' names.</param>
/// <param name="Rows">The rows; each as long as <paramref name="Columns"/>.</param>
internal sealed record TrackedTable(IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<object?>> Rows);

/// <summary>A Plotly chart, logged as W&amp;B's plotly-file.</summary>
/// <param name="Json">The figure: an object with "data" and "layout".</param>
internal sealed record PlotlyFigure(string Json);

/// <summary>An artifact to upload: files under one name, in versions.</summary>
internal sealed record TrackedArtifact
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

    /// <summary>A model: the files of a folder's top level, as the Hugging Face integration has it.</summary>
    /// <param name="name">The collection's name.</param>
    /// <param name="folder">The folder.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static TrackedArtifact OfModel(string name, string folder) => new()
    {
        Name = name,
        Type = "model",
        Files = Directory.EnumerateFiles(folder).ToDictionary(path => Path.GetFileName(path)),
    };
}
