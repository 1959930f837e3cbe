using System.Text;

namespace NotebookLib.Data;

/// <summary>
/// Reads a text file line by line as bytes. Holds one buffer, never larger than a line may be, so that neither a file without line ends nor a bomb of packed
/// data can fill the memory. A line ends with <c>\n</c>, <c>\r\n</c> or <c>\r</c>.
/// </summary>
internal sealed class LineReader(Stream stream, int maxLineBytes) : IDisposable
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // Of a line that is too long: a small packed file can hold one of any length.
    private const int MostSkippedBytes = 64 << 20;

    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _atEnd;

    /// <summary>Number of the current line, from 1.</summary>
    public long Line { get; private set; }

    /// <summary>The current line without its end and without a byte-order mark; empty when it was too long.</summary>
    public ReadOnlyMemory<byte> Current { get; private set; }

    /// <summary>The current line was longer than allowed; its content was skipped.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>What is wrong with a line that is too long.</summary>
    public string TooLong => $"the line is longer than {maxLineBytes} bytes; raise MaxLineBytes if that is right.";

    /// <summary>Moves to the next line.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="InvalidDataException">The packed data is damaged, or a line has no end within reach.</exception>
    public bool Read()
    {
        IsTooLong = false;
        var searched = 0;
        var skipped = 0L;
        while (true)
        {
            var lineEnd = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOfAny((byte)'\n', (byte)'\r');
            if (lineEnd >= 0)
            {
                searched += lineEnd;
                var isReturn = _buffer[_start + searched] == '\r';
                if (isReturn && _start + searched + 1 == _end && Fill())
                {
                    continue;
                }

                var isPair = isReturn && _start + searched + 1 < _end && _buffer[_start + searched + 1] == '\n';
                return Take(searched, consumed: searched + (isPair ? 2 : 1));
            }

            searched = _end - _start;
            if (searched > maxLineBytes)
            {
                IsTooLong = true;
                _start = _end;
                skipped += searched;
                searched = 0;
                if (skipped > Math.Max(MostSkippedBytes, 4L * maxLineBytes))
                {
                    throw new InvalidDataException(Invariant($"line {Line + 1} is longer than {skipped} bytes; are these lines, or a bomb of packed data?"));
                }
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
    public void Dispose() => stream.Dispose();

    private bool Take(int length, int consumed)
    {
        Line++;
        IsTooLong |= length > maxLineBytes;
        var line = IsTooLong ? default : _buffer.AsMemory(_start, length);
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

        var count = stream.Read(_buffer, _end, _buffer.Length - _end);
        _atEnd = count == 0;
        _end += count;
        return count > 0;
    }
}
