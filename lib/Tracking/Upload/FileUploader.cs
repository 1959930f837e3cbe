using System.Globalization;

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
    /// <exception cref="InvalidOperationException">More than 10,000 files.</exception>
    public static IReadOnlyList<(string Name, string Version)> Pending(RunFolder folder, SyncState state)
    {
        if (!Directory.Exists(folder.Files))
        {
            return [];
        }

        var all = Directory.EnumerateFiles(folder.Files, "*", SearchOption.AllDirectories).Take(MostFiles + 1).ToArray();
        return all.Length > MostFiles
            ? throw new InvalidOperationException($"{folder.Files}: expected at most {MostFiles} files, found more; log many files as one artifact")
            : [.. all.Select(path => (Path.GetRelativePath(folder.Files, path).Replace('\\', '/'), Version(path))).Where(file => !state.HasFile(file.Item1, file.Item2))];
    }

    /// <summary>Sends them.</summary>
    /// <returns>Their names.</returns>
    /// <exception cref="TrackingException">Refused.</exception>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task<IReadOnlyList<string>> UploadAsync(CancellationToken cancel)
    {
        List<string> names = [];
        foreach (var part in Pending(folder, state).Chunk(FilesPerCall))
        {
            var targets = await api.CreateRunFilesAsync(bucket.Entity, bucket.Project, runId, [.. part.Select(file => file.Name)], cancel).ConfigureAwait(false);
            foreach (var target in targets)
            {
                await api.UploadAsync(target, Path.Combine(folder.Files, target.Name), cancel).ConfigureAwait(false);
            }

            state.AddFiles(part);
            names.AddRange(part.Select(file => file.Name));
        }

        return names;
    }

    private static string Version(string path)
    {
        var file = new FileInfo(path);
        return string.Create(CultureInfo.InvariantCulture, $"{file.Length}:{file.LastWriteTimeUtc.Ticks}");
    }
}
