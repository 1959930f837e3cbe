namespace NotebookRunner.Running;

/// <summary>How to run a notebook.</summary>
/// <param name="NotebookPath">The .dib or .ipynb.</param>
/// <param name="OutputFolder">Where page, .ipynb and run.json go.</param>
/// <param name="CellTimeout">How long one cell may take; null for as long as it likes.</param>
/// <param name="Grace">How long a cell that took too long may take to stop by itself before its process is ended.</param>
/// <param name="Threads">How many cores the cells' process may use; null for all.</param>
/// <param name="IsRank">Whether the notebook is run together with the other ranks of <see cref="RankOfJob"/>.</param>
internal sealed record RunOptions(
    string NotebookPath, string OutputFolder, TimeSpan? CellTimeout, TimeSpan Grace, int? Threads = null, bool IsRank = false);
