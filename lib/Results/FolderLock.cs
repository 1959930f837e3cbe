using NotebookLib.Platform;

namespace NotebookLib.Results;

/// <summary>Waits a while for the <see cref="FileLock"/> of a folder of results.</summary>
internal static class FolderLock
{
    private const string FileName = ".runs.lock";

    /// <summary>Waits for the lock and takes it.</summary>
    /// <param name="folder">The folder; made when missing.</param>
    /// <param name="patience">How long to wait.</param>
    /// <returns>The lock; disposing it gives it back.</returns>
    /// <exception cref="IOException">The folder cannot be written, or the lock was not given back in time.</exception>
    public static IDisposable Take(string folder, TimeSpan patience)
    {
        var path = Path.Combine(folder, FileName);
        ThrowIfUnwritable(folder, path);
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return FileLock.Take(path);
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(started) < patience)
            {
                Thread.Sleep(Random.Shared.Next(10, 60));
            }
            catch (IOException error)
            {
                throw new IOException(Invariant($"{path}: another process has been adding a run for {patience.TotalSeconds:0} s. End it, ")
                    + "or give this run another results folder.", error);
            }
        }
    }

    private static void ThrowIfUnwritable(string folder, string path)
    {
        var probe = $"{path}-{Environment.ProcessId}-{Guid.NewGuid():N}";
        try
        {
            Directory.CreateDirectory(folder);
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder}: results cannot be written there ({error.Message.TrimEnd('.')}). "
                + "Set the results folder to one that you may write to.", error);
        }
    }
}
