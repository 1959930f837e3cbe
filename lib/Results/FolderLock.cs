namespace NotebookLib.Results;

/// <summary>
/// A lock between threads and processes: a file in the folder, opened for one alone. The system gives it back when its holder dies, so none is ever left over;
/// the file itself stays, since removing it would let two holders in.
/// </summary>
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
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(started) < patience)
            {
                Thread.Sleep(Random.Shared.Next(10, 60));
            }
            catch (IOException error)
            {
                throw new IOException(Invariant($"{path}: another process has been adding a run for {patience.TotalSeconds:0} s. End it, or give this run another results folder."), error);
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
            throw new IOException($"{folder}: results cannot be written there ({error.Message.TrimEnd('.')}). Set the results folder to one that you may write to.", error);
        }
    }
}
