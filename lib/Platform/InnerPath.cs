namespace NotebookLib.Platform;

/// <summary>Names of files as others wrote them, held to a folder.</summary>
internal static class InnerPath
{
    /// <summary>The full path of the file that a name means inside a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">A relative path.</param>
    /// <returns>Null where the name leads out of the folder, means the folder itself, or can be no path.</returns>
    public static string? Of(string folder, string name)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var path = name.Contains('\0', StringComparison.Ordinal) ? null : Path.GetFullPath(Path.Combine(full, name));
        return path?.StartsWith(full + Path.DirectorySeparatorChar, StringComparison.Ordinal) == true ? path : null;
    }
}
