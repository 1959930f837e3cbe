namespace NotebookLib.Tracking;

/// <summary>
/// Puts the notebook and what a headless runner has made of it so far (its page, its .ipynb) into the run's files. The runner names its folder in
/// <c>NOTEBOOK_OUTPUT</c> and works in the notebook's (docs/RUNNER.md); elsewhere nothing is known of the notebook, and <see cref="ITracker.SaveFile"/> takes
/// it.
/// </summary>
internal static class NotebookFiles
{
    private const string FolderVariable = "NOTEBOOK_OUTPUT";
    private static readonly string[] Made = [".html", ".ipynb"];
    private static readonly string[] Notebooks = [".dib", ".ipynb"];

    /// <summary>Saves them; a file that cannot be read is said and left out.</summary>
    /// <param name="run">The run.</param>
    /// <param name="notice">Hears of failures.</param>
    public static void Save(ITracker run, Action<string> notice)
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is not { Length: > 0 } folder || !Directory.Exists(folder))
        {
            return;
        }

        try
        {
            foreach (var file in Directory.EnumerateFiles(folder).Where(file => Made.Contains(Path.GetExtension(file))))
            {
                run.SaveFile(file);
                var notebook = Notebooks.Select(extension => Path.GetFullPath(Path.ChangeExtension(Path.GetFileName(file), extension)))
                    .FirstOrDefault(File.Exists);
                if (notebook is not null)
                {
                    run.SaveFile(notebook, "code/" + Path.GetFileName(notebook));
                }
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            notice($"the notebook's files are not all in the run: {fault.Message}");
        }
    }
}
