using System.Diagnostics;
using System.Globalization;

namespace NotebookLib.Platform;

/// <summary>
/// Writes files so that a reader sees the old content or the new, never half of it: a temporary file beside the target, flushed to disk, then renamed.
/// </summary>
internal static class AtomicFile
{
    /// <summary>Writes a file through a stream.</summary>
    /// <param name="path">The target; its folder is made when missing.</param>
    /// <param name="write">Writes the content; when it throws, the target is untouched and the temporary file is gone.</param>
    /// <exception cref="IOException">The folder is not writable or the disk is full, with what was needed and what is free; the old file, if any, is
    /// whole.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var target = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        ClearLeftOvers(target);
        var temporary = $"{target}.{Environment.ProcessId}-{Guid.NewGuid():N}.tmp";
        try
        {
            DiskSpace.Explain(target, () =>
            {
                using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
                {
                    write(stream);
                    stream.Flush(flushToDisk: true);
                }

                File.Move(temporary, target, overwrite: true);
            });
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Removes temporary files of processes that were killed while they wrote this target.</summary>
    private static void ClearLeftOvers(string target)
    {
        foreach (var left in Directory.EnumerateFiles(Path.GetDirectoryName(target)!, Path.GetFileName(target) + ".*-*.tmp"))
        {
            var writer = Path.GetFileName(left)[(Path.GetFileName(target).Length + 1)..].Split('-')[0];
            if (!int.TryParse(writer, NumberStyles.None, CultureInfo.InvariantCulture, out var process) || process == Environment.ProcessId || IsAlive(process))
            {
                continue;
            }

            try
            {
                // A writer on another machine that shares the folder keeps its file locked.
                using var alone = new FileStream(left, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
                File.Delete(left);
            }
            catch (Exception busy) when (busy is IOException or UnauthorizedAccessException)
            {
                // Somebody else writes or clears it.
            }
        }
    }

    private static bool IsAlive(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>Writes a text file as UTF-8 without a byte-order mark.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
}
