using System.Text;
using ICSharpCode.SharpZipLib;
using ICSharpCode.SharpZipLib.GZip;

namespace NotebookLib.Data;

/// <summary>
/// Reads a text file line by line as bytes, through gzip when its first bytes say so. Holds one buffer, never larger than a line may be,
/// so that neither a file without line ends nor a gzip bomb can fill the memory.
/// </summary>
internal sealed class LineReader : IDisposable
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Stream _stream;
    private readonly int _maxLineBytes;
    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _atEnd;

    public LineReader(Stream stream, int maxLineBytes)
    {
        _stream = stream;
        _maxLineBytes = maxLineBytes;
    }

    /// <summary>Number of the current line, from 1.</summary>
    public long Line { get; private set; }

    /// <summary>The current line without its end (<c>\n</c> or <c>\r\n</c>) and without a byte-order mark; empty when it was too long.</summary>
    public ReadOnlyMemory<byte> Current { get; private set; }

    /// <summary>The current line was longer than allowed; its content was skipped.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>Opens a file, gzipped or not.</summary>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static LineReader Open(string path, int maxLineBytes)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        try
        {
            Span<byte> magic = stackalloc byte[2];
            var isGzip = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic is [0x1f, 0x8b];
            file.Position = 0;
            // .NET's own GZipStream takes a file that was cut off for one that ends there.
            return new LineReader(isGzip ? new GZipInputStream(file) : file, maxLineBytes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Moves to the next line.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="InvalidDataException">The gzip data is damaged.</exception>
    public bool Read()
    {
        IsTooLong = false;
        var searched = 0;
        while (true)
        {
            var newline = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                return Take(searched + newline, consumed: searched + newline + 1);
            }

            searched = _end - _start;
            if (searched > _maxLineBytes)
            {
                IsTooLong = true;
                _start = _end;
                searched = 0;
            }

            if (!Fill())
            {
                return (searched > 0 || IsTooLong) && Take(searched, searched);
            }
        }
    }

    /// <summary>The current line as text.</summary>
    /// <exception cref="DecoderFallbackException">It is not valid UTF-8.</exception>
    public string Text() => StrictUtf8.GetString(Current.Span);

    /// <inheritdoc />
    public void Dispose() => _stream.Dispose();

    private bool Take(int length, int consumed)
    {
        Line++;
        IsTooLong |= length > _maxLineBytes;
        var line = IsTooLong ? default : _buffer.AsMemory(_start, length);
        line = line.Span is [.., (byte)'\r'] ? line[..^1] : line;
        Current = Line == 1 && line.Span.StartsWith(Encoding.UTF8.Preamble) ? line[Encoding.UTF8.Preamble.Length..] : line;
        _start += consumed;
        return true;
    }

    private bool Fill()
    {
        if (_atEnd)
        {
            return false;
        }

        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, 2 * _buffer.Length);
        }

        var count = ReadStream();
        _atEnd = count == 0;
        _end += count;
        return count > 0;
    }

    private int ReadStream()
    {
        try
        {
            return _stream.Read(_buffer, _end, _buffer.Length - _end);
        }
        catch (Exception error) when (error is SharpZipBaseException or EndOfStreamException)
        {
            throw new InvalidDataException($"the gzip data is damaged or was cut off ({error.Message.TrimEnd('.')})", error);
        }
    }
}
