using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>Sends a run's files.</summary>
/// <param name="api">The server.</param>
/// <param name="folder">The run's folder.</param>
/// <param name="place">The run there.</param>
/// <param name="state">What the server has.</param>
internal sealed class RunFileUploader(WandbApi api, RunFolder folder, RunPlace place, SyncState state)
{
    private const int FilesPerCall = 100;

    /// <summary>Sends what lies in the run's files/ and is new or changed. A file that is refused does not keep the others from arriving.</summary>
    /// <param name="failed">Takes what could not be sent, one sentence each.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Names of those that arrived.</returns>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task<IReadOnlyList<string>> UploadAsync(List<string> failed, CancellationToken cancel)
    {
        List<string> names = [];
        foreach (var part in state.PendingFiles(folder).Chunk(FilesPerCall))
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

    private async Task UploadPartAsync((string Name, string Version)[] part, List<string> names, List<string> failed, CancellationToken cancel)
    {
        var targets = await api.CreateRunFilesAsync(place, [.. part.Select(file => file.Name)], cancel).ConfigureAwait(false);
        List<(string Name, string Version)> arrived = [];
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
        names.AddRange(arrived.Select(file => file.Name));
    }
}
