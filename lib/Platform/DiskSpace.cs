namespace NotebookLib.Platform;

/// <summary>Says of a full disk what a person needs to know: which folder, how much is free, how much was needed.</summary>
internal static class DiskSpace
{
    // ENOSPC and EDQUOT; ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL.
    private static readonly int[] FullCodes = OperatingSystem.IsWindows()
        ? [unchecked((int)0x80070070), unchecked((int)0x80070027)] : [28, OperatingSystem.IsMacOS() ? 69 : 122];

    /// <summary>Does what writes below a path; a full disk is told with its folder.</summary>
    /// <param name="path">The file or folder that is written.</param>
    /// <param name="write">Writes it.</param>
    /// <param name="neededBytes">How much it needs, where that is known; null: more than is free.</param>
    /// <exception cref="IOException">The disk is full: folder, free space and need; or what <paramref name="write"/> throws.</exception>
    public static void Explain(string path, Action write, long? neededBytes = null)
    {
        try
        {
            write();
        }
        catch (IOException full) when (IsFull(full) && full is not DiskFullException)
        {
            throw new DiskFullException(Sentence(path, neededBytes), full);
        }
    }

    /// <summary>Whether a fault is a full disk, or a used-up quota.</summary>
    public static bool IsFull(IOException fault) => fault is DiskFullException || FullCodes.Contains(fault.HResult);

    private static string Sentence(string path, long? neededBytes)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var free = FreeBytes(folder) is { } bytes ? $"{NumberText.Size(bytes)} free" : "nothing free";
        var need = neededBytes is { } needed ? $"{Path.GetFileName(path)} needs {NumberText.Size(needed)}" : $"{Path.GetFileName(path)} needs more";
        return $"The disk of {folder} is full: {free}, {need}. Make room there, or choose a folder on another disk; what was written before is whole.";
    }

    private static long? FreeBytes(string folder)
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}

/// <summary>A full disk, said with its folder.</summary>
internal sealed class DiskFullException(string message, IOException inner) : IOException(message, inner);
