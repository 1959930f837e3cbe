using Microsoft.Win32.SafeHandles;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>
/// Appends to a journal. When <see cref="Append"/> returns, the line is in the operating system's hands: a kill of this process loses nothing.
/// <see cref="FlushToDisk"/> (called every second by <see cref="RunHousekeeper"/>, and at the end) carries it to the disk: a power failure loses at most the
/// last second.
/// </summary>
internal sealed class JournalWriter : IDisposable
{
    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly SafeFileHandle _file;
    private byte[] _line = new byte[4096];
    private long _length;
    private long _flushed;

    /// <summary>Opens or makes a journal; half a line at its end, left by a kill, is cut off.</summary>
    /// <param name="path">The file.</param>
    /// <param name="wholeLength">Bytes of whole lines in it (<see cref="JournalReader.Position"/> at the end).</param>
    public JournalWriter(string path, long wholeLength)
    {
        _path = path;
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        _length = wholeLength;
        if (RandomAccess.GetLength(_file) > wholeLength)
        {
            RandomAccess.SetLength(_file, wholeLength);
        }
    }

    /// <summary>Bytes written.</summary>
    public long Length => Interlocked.Read(ref _length);

    /// <summary>Appends one record.</summary>
    /// <exception cref="IOException">The disk is full or gone; the journal ends with the record before.</exception>
    /// <exception cref="ArgumentException">The record is longer than a line may be.</exception>
    public void Append(JournalKind kind, long number, ReadOnlySpan<byte> json)
    {
        lock (_lock)
        {
            var length = JournalFrame.Write(ref _line, kind, number, json);
            try
            {
                DiskSpace.Explain(_path, () => RandomAccess.Write(_file, _line.AsSpan(0, length), _length), length);
            }
            catch (IOException)
            {
                RandomAccess.SetLength(_file, _length);
                throw;
            }

            Interlocked.Add(ref _length, length);
        }
    }

    /// <summary>Carries everything to the disk, when there is something new.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void FlushToDisk()
    {
        var length = Length;
        if (length > Interlocked.Exchange(ref _flushed, length))
        {
            RandomAccess.FlushToDisk(_file);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
