using NotebookLib.Platform;
using NotebookRunner.Pages;
using NotebookRunner.Running;

namespace NotebookRunner.Reports;

/// <summary>The three files of a run: the page, the .ipynb, run.json. Each is replaced as a whole, so a reader never meets half of one.</summary>
internal sealed class ReportFiles
{
    private readonly string _notebookFolder;

    /// <summary>Names the files.</summary>
    /// <param name="notebookPath">The notebook: its name is theirs, its folder is where relative pictures lie.</param>
    /// <param name="folder">Where they go.</param>
    public ReportFiles(string notebookPath, string folder)
    {
        var name = Path.GetFileNameWithoutExtension(notebookPath);
        _notebookFolder = Path.GetDirectoryName(Path.GetFullPath(notebookPath))!;
        (Page, Jupyter, Summary) = (Path.Combine(folder, name + ".html"), Path.Combine(folder, name + ".ipynb"), Path.Combine(folder, HostContract.RunName));
    }

    /// <summary>The offline page.</summary>
    public string Page { get; }

    /// <summary>The notebook with outputs.</summary>
    public string Jupyter { get; }

    /// <summary>The facts for programs.</summary>
    public string Summary { get; }

    /// <summary>Writes all three; a key or token of this environment that a cell printed, or a parameter holds, is masked.</summary>
    /// <exception cref="IOException">A file could not be written.</exception>
    public void Write(RunState run)
    {
        AtomicFile.WriteText(Summary, SecretMask.Text(RunJson.ToJson(run, Path.GetDirectoryName(Summary))));
        AtomicFile.WriteText(Page, SecretMask.Html(HtmlPage.Render(run, _notebookFolder)));
        AtomicFile.WriteText(Jupyter, SecretMask.Text(JupyterExport.ToJson(run)));
    }
}
