namespace NotebookLib.Platform;

/// <summary>Writes files so that a reader sees the old content or the new, never half of it: a temporary file beside the target, flushed to disk, then renamed.</summary>
public static class AtomicFile
{
    /// <summary>Writes a file through a stream.</summary>
    /// <param name="path">The target; its folder is made when missing.</param>
    /// <param name="write">Writes the content; when it throws, the target is untouched and the temporary file is gone.</param>
    /// <exception cref="IOException">The folder is not writable or the disk is full; the old file, if any, is whole.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        var target = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var temporary = $"{target}.{Environment.ProcessId}-{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Writes a text file as UTF-8 without a byte-order mark.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
}
