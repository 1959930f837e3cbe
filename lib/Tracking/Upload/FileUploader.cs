using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>Sends what lies in the run's files/ and is new or changed (WANDB.md §6).</summary>
/// <param name="api">The server.</param>
/// <param name="folder">The run's folder.</param>
/// <param name="bucket">The run's place on the server.</param>
/// <param name="runId">The run.</param>
/// <param name="state">Remembers what went up.</param>
internal sealed class FileUploader(WandbApi api, RunFolder folder, BucketAnswer bucket, string runId, SyncState state)
{
    private const int FilesPerCall = 100;
    private const int MostFiles = 10_000;

    /// <summary>Files that the server has not, as (name, version).</summary>
    /// <exception cref="IOException">More than 10,000 files.</exception>
    public static IReadOnlyList<(string Name, string Version)> Pending(RunFolder folder, SyncState state)
    {
        if (!Directory.Exists(folder.Files))
        {
            return [];
        }

        var all = Directory.EnumerateFiles(folder.Files, "*", SearchOption.AllDirectories).Take(MostFiles + 1).ToArray();
        return all.Length > MostFiles
            ? throw new IOException($"{folder.Files}: expected at most {MostFiles} files, found more; log many files as one artifact")
            : [.. all.Select(path => (Path.GetRelativePath(folder.Files, path).Replace('\\', '/'), Version(path)))
                .Where(file => !state.HasFile(file.Item1, file.Item2))];
    }

    /// <summary>Sends them. A file that is refused does not keep the others from arriving.</summary>
    /// <param name="failed">Takes a sentence for each that was refused.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Names of those that arrived.</returns>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task<IReadOnlyList<string>> UploadAsync(ICollection<string> failed, CancellationToken cancel)
    {
        List<string> names = [];
        foreach (var part in Pending(folder, state).Chunk(FilesPerCall))
        {
            try
            {
                await UploadPartAsync(part, names, failed, cancel).ConfigureAwait(false);
            }
            catch (TrackingException fault)
            {
                failed.Add($"{part.Length} files, {part[0].Name} among them: {fault.Message}");
            }
        }

        return names;
    }

    private async Task UploadPartAsync((string Name, string Version)[] part, List<string> names, ICollection<string> failed, CancellationToken cancel)
    {
        var targets = await api.CreateRunFilesAsync(bucket.Entity, bucket.Project, runId, [.. part.Select(file => file.Name)], cancel).ConfigureAwait(false);
        List<(string, string)> arrived = [];
        foreach (var (file, target) in part.Zip(targets))
        {
            try
            {
                await api.UploadAsync(target, Path.Combine(folder.Files, file.Name), cancel).ConfigureAwait(false);
                arrived.Add(file);
            }
            catch (Exception fault) when (fault is TrackingException or IOException)
            {
                failed.Add($"file {file.Name}: {fault.Message}");
            }
        }

        state.AddFiles(arrived);
        names.AddRange(arrived.Select(file => file.Item1));
    }

    private static string Version(string path)
    {
        var file = new FileInfo(path);
        return Invariant($"{file.Length}:{file.LastWriteTimeUtc.Ticks}");
    }
}
