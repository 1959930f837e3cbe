namespace NotebookLib.Tracking;

/// <summary>A distribution, logged as W&amp;B's histogram.</summary>
/// <param name="Counts">How many values fell into each bin.</param>
/// <param name="Edges">The bins' borders, ascending: one more than counts.</param>
internal sealed record Histogram(IReadOnlyList<double> Counts, IReadOnlyList<double> Edges)
{
    private const int MostBins = 512;

    /// <summary>Counts values in bins of equal width between the smallest and the largest; values that are not finite are left out.</summary>
    /// <param name="values">The values.</param>
    /// <param name="bins">How many bins, 1 to 512.</param>
    /// <exception cref="ArgumentException">No value is finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bins"/> is out of range.</exception>
    public static Histogram Of(IEnumerable<double> values, int bins = 64)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bins, MostBins);
        var finite = values.Where(double.IsFinite).ToArray();
        if (finite.Length == 0)
        {
            throw new ArgumentException("histogram: expected at least one finite value, found none");
        }

        var (low, high) = (finite.Min(), finite.Max());
        // All values equal: numpy's choice, half a unit to each side.
        (low, high) = low == high ? (low - 0.5, high + 0.5) : (low, high);
        var counts = new double[bins];
        foreach (var value in finite)
        {
            counts[Math.Min(bins - 1, (int)((value - low) / (high - low) * bins))]++;
        }

        return new Histogram(counts, [.. Enumerable.Range(0, bins + 1).Select(edge => low + ((high - low) * edge / bins))]);
    }

    internal IEnumerable<KeyValuePair<string, object?>> ToMembers() => Edges.Count == Counts.Count + 1
        ? new Dictionary<string, object?> { ["_type"] = "histogram", ["values"] = Counts, ["bins"] = Edges }
        : throw new ArgumentException($"histogram: expected one more edge than counts, found {Edges.Count} edges for {Counts.Count} counts");
}

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
