using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>Waits for a <see cref="FileLock"/> as long as it takes.</summary>
internal static class HubLock
{
    private static readonly TimeSpan FirstNotice = TimeSpan.FromSeconds(1);

    /// <summary>Waits for the lock, as long as it takes, and takes it.</summary>
    /// <param name="path">The lock's file; its folder is made when missing.</param>
    /// <param name="what">What it guards, for the notice.</param>
    /// <param name="observer">Hears that somebody else holds it.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The lock; disposing it gives it back.</returns>
    public static async Task<IDisposable> TakeAsync(string path, string what, IHubObserver? observer, CancellationToken cancel)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var started = TimeProvider.System.GetTimestamp();
        var isTold = false;
        while (true)
        {
            try
            {
                return FileLock.Take(path);
            }
            catch (IOException) when (File.Exists(path))
            {
                if (!isTold && TimeProvider.System.GetElapsedTime(started) > FirstNotice)
                {
                    isTold = true;
                    observer?.Noticed($"{what}: somebody else is fetching it; waiting for {path}");
                }

                await Task.Delay(Random.Shared.Next(20, 100), cancel).ConfigureAwait(false);
            }
        }
    }
}
