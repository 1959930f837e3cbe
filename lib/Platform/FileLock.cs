namespace NotebookLib.Platform;

/// <summary>
/// A lock between threads and processes: a file opened for one alone, which on Unix is flock(2), the same that Python's filelock takes. The system gives it
/// back when its holder dies, so none is ever left over; the file itself stays, since removing it would let two holders in.
/// </summary>
internal static class FileLock
{
    /// <summary>Takes the lock, without waiting.</summary>
    /// <param name="path">The lock's file, in a folder that exists.</param>
    /// <returns>The lock; disposing it gives it back.</returns>
    /// <exception cref="IOException">Somebody else holds it, or the file cannot be made.</exception>
    public static IDisposable Take(string path) => new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
}
