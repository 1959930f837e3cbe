using System.Buffers.Text;
using System.IO.Hashing;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>What a line of the journal says; the letter stands in the file.</summary>
internal enum JournalKind : byte
{
    /// <summary>The run's header: the first line.</summary>
    Run = (byte)'R',

    /// <summary>A process begins to write.</summary>
    Session = (byte)'N',

    /// <summary>Where on the server a session's lines begin.</summary>
    Base = (byte)'B',

    /// <summary>Configuration values.</summary>
    Config = (byte)'C',

    /// <summary>A metric's definition.</summary>
    Metric = (byte)'M',

    /// <summary>A whole history row.</summary>
    Row = (byte)'H',

    /// <summary>A part of a history row: parts with one number are one row.</summary>
    Part = (byte)'P',

    /// <summary>A row that stays here: too long for the wire, or too late for its step.</summary>
    Kept = (byte)'L',

    /// <summary>A place to which the run may come back: how many rows there are when a checkpoint is made.</summary>
    Mark = (byte)'K',

    /// <summary>The run goes on from a mark: rows and summary values behind it are superseded.</summary>
    Return = (byte)'G',

    /// <summary>Summary values beyond the rows' last ones.</summary>
    Summary = (byte)'S',

    /// <summary>A sample of the machine's state.</summary>
    Event = (byte)'E',

    /// <summary>A line of console output.</summary>
    Output = (byte)'O',

    /// <summary>An artifact to upload.</summary>
    Artifact = (byte)'A',

    /// <summary>The run ended.</summary>
    Exit = (byte)'X',
}

/// <summary>
/// One line of the journal; as bytes <c>checksum kind number json\n</c>, for example <c>fe8876ec H 17 {"train/loss":0.5}</c>. The checksum is the CRC-32
/// (zlib's) of everything after its blank. A line that a kill or a full disk cut short has no newline or a wrong checksum; JSON text never holds a newline.
/// </summary>
/// <param name="Kind">What it says.</param>
/// <param name="Number">The line's number in its stream (rows, events, output, sessions), else 0.</param>
/// <param name="Json">A JSON object; rows may hold bare NaN and Infinity.</param>
/// <param name="FollowsDamage">Whether the line before it was damaged and passed over.</param>
internal readonly record struct JournalRecord(JournalKind Kind, long Number, string Json, bool FollowsDamage = false)
{
    /// <summary>The longest line that is written or read: a bound against files that are no journals.</summary>
    public const int LongestLine = 256 << 20;

    private const int ChecksumLength = 8;
    private const int LongestPrefix = ChecksumLength + 1 + 2 + 21;

    /// <summary>Writes the line into a buffer that grows as needed.</summary>
    /// <returns>The line's length in bytes.</returns>
    /// <exception cref="ArgumentException">The JSON is longer than a line may be.</exception>
    public static int Write(ref byte[] buffer, JournalKind kind, long number, ReadOnlySpan<byte> json)
    {
        if (json.Length > LongestLine - LongestPrefix - 1)
        {
            throw new ArgumentException($"a record of {json.Length} bytes: expected at most {LongestLine}; log large data as an artifact");
        }

        if (buffer.Length < json.Length + LongestPrefix + 1)
        {
            buffer = new byte[Math.Max(buffer.Length * 2, json.Length + LongestPrefix + 1)];
        }

        var end = ChecksumLength;
        buffer[end++] = (byte)' ';
        buffer[end++] = (byte)kind;
        buffer[end++] = (byte)' ';
        Utf8Formatter.TryFormat(number, buffer.AsSpan(end), out var digits);
        end += digits;
        buffer[end++] = (byte)' ';
        json.CopyTo(buffer.AsSpan(end));
        end += json.Length;
        Utf8Formatter.TryFormat(Crc32.HashToUInt32(buffer.AsSpan(ChecksumLength + 1, end - ChecksumLength - 1)), buffer.AsSpan(), out _,
            new('x', ChecksumLength));
        buffer[end++] = (byte)'\n';
        return end;
    }

    /// <summary>Reads a line without its newline.</summary>
    /// <returns>False when the line is damaged.</returns>
    public static bool TryRead(ReadOnlySpan<byte> line, out JournalRecord record)
    {
        record = default;
        if (line.Length < ChecksumLength + 6 || line[ChecksumLength] != (byte)' '
            || !Utf8Parser.TryParse(line[..ChecksumLength], out uint checksum, out var used, 'x') || used != ChecksumLength)
        {
            return false;
        }

        var content = line[(ChecksumLength + 1)..];
        if (Crc32.HashToUInt32(content) != checksum || content[1] != (byte)' ' || !Utf8Parser.TryParse(content[2..], out long number, out var digits))
        {
            return false;
        }

        record = new JournalRecord((JournalKind)content[0], number, Encoding.UTF8.GetString(content[(2 + digits + 1)..]));
        return true;
    }
}

/// <summary>
/// Appends to a journal. When <see cref="Append"/> returns, the line is in the operating system's hands: a kill of this process loses nothing.
/// <see cref="FlushToDisk"/> (called every second by <see cref="RunJournal"/>, and at the end) carries it to the disk: a power failure loses at most the
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
            var length = JournalRecord.Write(ref _line, kind, number, json);
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
            var whole = JournalRecord.TryRead(line[..^1], out var found);
            _start += line.Length;
            Position += line.Length;
            if (whole)
            {
                record = found with { FollowsDamage = DamagedLines > damagedBefore };
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
        if (kept > JournalRecord.LongestLine)
        {
            throw new InvalidDataException($"{_file.Name}: a line of more than {JournalRecord.LongestLine} bytes at byte {Position}; is this a run's journal?");
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
