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
/// <param name="Shard">Which combinations are run here, from 1: every <paramref name="Shards"/>th; others are left to other processes.</param>
/// <param name="Shards">Of how many parts; 1 for all.</param>
/// <param name="Waits">Whether to wait for what other processes run at the end.</param>
/// <param name="Lease">How long another process may show no sign of life before its combination is taken up again.</param>
/// <param name="Job">What several processes do together; empty for none.</param>
internal sealed record SweepOptions(
    string NotebookPath, string Folder, IReadOnlyDictionary<string, string> Fixed, SweepGrid Grid, int Parallel, TimeSpan? CellTimeout, TimeSpan Grace,
    bool IsFresh, int Shard, int Shards, bool Waits, TimeSpan Lease, string Job)
{
    /// <summary>Whether a combination, by its place in the grid from 0, is run by this process or those that share its work.</summary>
    public bool IsInShard(int index) => index % Shards == Shard - 1;
}
