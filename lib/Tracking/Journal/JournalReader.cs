namespace NotebookLib.Tracking;

/// <summary>
/// Reads a journal from its beginning, also while another thread appends to it: at the end it answers false, and later calls go on where it stopped.
/// Damaged lines are passed over and counted; every row carries its number, so what follows them keeps its place.
/// </summary>
internal sealed class JournalReader : IDisposable
{
    private readonly FileStream _file;
    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;

    /// <summary>Opens a journal.</summary>
    /// <exception cref="IOException">The file does not exist or cannot be read.</exception>
    public JournalReader(string path)
    {
        _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
    }

    /// <summary>Lines with a wrong checksum so far.</summary>
    public long DamagedLines { get; private set; }

    /// <summary>Where the next line begins, in bytes: what lies before is whole lines.</summary>
    public long Position { get; private set; }

    /// <summary>The next whole record.</summary>
    /// <returns>False at the end, which may hold half a line.</returns>
    /// <exception cref="InvalidDataException">A line is longer than 256 MiB: the file is no journal.</exception>
    public bool TryRead(out JournalRecord record)
    {
        var damagedBefore = DamagedLines;
        while (NextLine() is { Length: > 0 } line)
        {
            var whole = JournalFrame.TryRead(line[..^1], out var found);
            _start += line.Length;
            Position += line.Length;
            if (whole)
            {
                record = found!.Value with { FollowsDamage = DamagedLines > damagedBefore };
                return true;
            }

            DamagedLines++;
        }

        record = default;
        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>The next line with its newline, or nothing.</summary>
    private ReadOnlySpan<byte> NextLine()
    {
        var searched = 0;
        while (true)
        {
            var newline = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                return _buffer.AsSpan(_start, searched + newline + 1);
            }

            searched = _end - _start;
            if (!Fill())
            {
                // Half a line is read anew next time: the writer takes back a line that it could not finish.
                _end = _start;
                return default;
            }
        }
    }

    private bool Fill()
    {
        var kept = _end - _start;
        if (kept > JournalFrame.LongestLine)
        {
            throw new InvalidDataException($"{_file.Name}: a line of more than {JournalFrame.LongestLine} bytes at byte {Position}; is this a run's journal?");
        }

        if (kept == _buffer.Length)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        _buffer.AsSpan(_start, kept).CopyTo(_buffer);
        (_start, _end) = (0, kept);
        var read = RandomAccess.Read(_file.SafeFileHandle, _buffer.AsSpan(_end), Position + kept);
        _end += read;
        return read > 0;
    }
}
