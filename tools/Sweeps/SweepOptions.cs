namespace NotebookRunner.Sweeps;

/// <summary>How to run a sweep.</summary>
/// <param name="NotebookPath">The notebook.</param>
/// <param name="Folder">Where the combinations' folders and the comparison go.</param>
/// <param name="Fixed">Parameters that every combination shares.</param>
/// <param name="Grid">What varies.</param>
/// <param name="Parallel">How many run at once; they share the cores.</param>
/// <param name="CellTimeout">How long one cell may take; null for as long as it likes.</param>
/// <param name="Grace">How long a cell that took too long may take to stop by itself.</param>
/// <param name="IsFresh">True to run also what an earlier sweep finished.</param>
internal sealed record SweepOptions(
    string NotebookPath, string Folder, IReadOnlyDictionary<string, string> Fixed, SweepGrid Grid, int Parallel, TimeSpan? CellTimeout, TimeSpan Grace,
    bool IsFresh);
