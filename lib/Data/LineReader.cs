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

    private readonly ReadAhead _ahead = new(stream);

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
            var ahead = _ahead.Bytes.Span;
            var lineEnd = ahead[searched..].IndexOfAny((byte)'\n', (byte)'\r');
            if (lineEnd >= 0)
            {
                searched += lineEnd;
                var isReturn = ahead[searched] == '\r';
                if (isReturn && searched + 1 == ahead.Length && _ahead.Fill())
                {
                    continue;
                }

                var isPair = isReturn && searched + 1 < ahead.Length && ahead[searched + 1] == '\n';
                return Take(searched, consumed: searched + (isPair ? 2 : 1));
            }

            searched = ahead.Length;
            if (searched > maxLineBytes)
            {
                IsTooLong = true;
                _ahead.Take(searched);
                skipped += searched;
                searched = 0;
                if (skipped > Math.Max(MostSkippedBytes, 4L * maxLineBytes))
                {
                    throw new InvalidDataException(Invariant($"line {Line + 1} is longer than {skipped} bytes; are these lines, or a bomb of packed data?"));
                }
            }

            if (!_ahead.Fill())
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
        var line = IsTooLong ? default : _ahead.Bytes[..length];
        Current = Line == 1 && line.Span.StartsWith(Encoding.UTF8.Preamble) ? line[Encoding.UTF8.Preamble.Length..] : line;
        _ahead.Take(consumed);
        return true;
    }
}
