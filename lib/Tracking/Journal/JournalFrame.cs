using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;
using System.Text;

namespace NotebookLib.Tracking;

/// <summary>
/// One line of the journal as bytes: <c>checksum kind number json\n</c>, for example <c>1c291ca3 H 17 {"train/loss":0.5}</c>. The checksum is the
/// CRC-32 (zlib's) of everything after its blank. A line that a kill or a full disk cut short has no newline or a wrong checksum; JSON text never holds a
/// newline.
/// </summary>
internal static class JournalFrame
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
    public static bool TryRead(ReadOnlySpan<byte> line, [NotNullWhen(true)] out JournalRecord? record)
    {
        record = null;
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
