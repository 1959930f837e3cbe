using System.Text;
using ICSharpCode.SharpZipLib;
using ICSharpCode.SharpZipLib.BZip2;
using ICSharpCode.SharpZipLib.GZip;
using ZstdSharp;

namespace NotebookLib.Data;

/// <summary>A text file as UTF-8, whatever it is packed in and however it is encoded: both are told by its first bytes, not by its name.</summary>
internal static class TextFile
{
    private static readonly string[] Packings = [".gz", ".zst", ".zstd", ".bz2"];

    /// <summary>A file's name without the ending that says how it is packed.</summary>
    public static string NameWithin(string path) =>
        Packings.FirstOrDefault(packing => path.EndsWith(packing, StringComparison.OrdinalIgnoreCase)) is { } found ? path[..^found.Length] : path;

    /// <summary>Opens a file.</summary>
    /// <param name="path">Which.</param>
    /// <param name="encoding">Says how it is packed and encoded, for people.</param>
    /// <returns>Throws <see cref="InvalidDataException"/> where the packed data is damaged.</returns>
    /// <exception cref="InvalidDataException">It is an archive, or text in an encoding that nothing in it tells.</exception>
    public static Stream Open(string path, out string encoding) => Open(path, out encoding, out _);

    /// <inheritdoc cref="Open(string, out string)"/>
    /// <param name="path">Which.</param>
    /// <param name="encoding">Says how it is packed and encoded, for people.</param>
    /// <param name="file">The file below, whose position says how far the reading has come.</param>
    public static Stream Open(string path, out string encoding, out FileStream file)
    {
        byte[] head;
        string? packing;
        using (var beginning = OpenFile(path))
        {
            packing = PackingOf(Head(beginning));
        }

        using (var beginning = new Guarded(Unpacked(OpenFile(path), packing), packing))
        {
            head = Head(beginning);
        }

        var decoder = DecoderOf(head, out var name);
        encoding = packing is null ? name : $"{name}, {packing}";
        file = OpenFile(path);
        var unpacked = Unpacked(file, packing);
        return new Guarded(decoder is null ? unpacked : Encoding.CreateTranscodingStream(unpacked, decoder, new UTF8Encoding(false)), packing);
    }

    private static FileStream OpenFile(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);

    // Packed bytes that are damaged lead the unpackers to the last two as well; a byte that the encoding lacks is an ArgumentException.
    private static bool IsDamage(Exception error) =>
        error is SharpZipBaseException or ZstdException or EndOfStreamException or ArgumentException or IndexOutOfRangeException;

    private static InvalidDataException Damage(Exception error, string? packing) => error is DecoderFallbackException
        ? new("the text is not valid in the encoding that its byte-order mark names", error)
        : new($"the {packing} data is damaged or was cut off ({error.Message.TrimEnd('.')})", error);

    private static byte[] Head(Stream stream)
    {
        var head = new byte[8];
        return head[..stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
    }

    private static string? PackingOf(ReadOnlySpan<byte> head) => head switch
    {
        [0x1F, 0x8B, ..] => "gzip",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "zstd",
        [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', 0x31, 0x41, ..] => "bzip2",
        [(byte)'P', (byte)'K', 3, 4, ..] => throw new InvalidDataException("is a zip archive (or a spreadsheet); unpack it, and name the file within"),
        [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] =>
            throw new InvalidDataException("is packed by xz, which is not read here; unpack it (xz -d), or pack it by gzip or zstd"),
        _ => null,
    };

    // .NET's own GZipStream takes a file that was cut off for one that ends there.
    private static Stream Unpacked(FileStream file, string? packing) => packing switch
    {
        "gzip" => new GZipInputStream(file),
        "zstd" => new DecompressionStream(file, leaveOpen: false),
        "bzip2" => new BZip2InputStream(file),
        _ => file,
    };

    private static Encoding? DecoderOf(ReadOnlySpan<byte> head, out string name)
    {
        (name, var decoder) = head switch
        {
            [0xFF, 0xFE, 0, 0, ..] => ("UTF-32", new UTF32Encoding(bigEndian: false, byteOrderMark: true, throwOnInvalidCharacters: true)),
            [0, 0, 0xFE, 0xFF, ..] => ("UTF-32", new UTF32Encoding(bigEndian: true, byteOrderMark: true, throwOnInvalidCharacters: true)),
            [0xFF, 0xFE, ..] => ("UTF-16", new UnicodeEncoding(bigEndian: false, byteOrderMark: true, throwOnInvalidBytes: true)),
            [0xFE, 0xFF, ..] => ("UTF-16", new UnicodeEncoding(bigEndian: true, byteOrderMark: true, throwOnInvalidBytes: true)),
            [0xEF, 0xBB, 0xBF, ..] => ("UTF-8 with a byte-order mark", null),
            _ => ("UTF-8", (Encoding?)null),
        };
        return decoder is not null || !head.Contains((byte)0) ? decoder
            : throw new InvalidDataException("holds NUL bytes in its first characters: is it UTF-16 without a byte-order mark? Save it as UTF-8");
    }

    /// <summary>Damage has one exception, whatever unpacks or decodes.</summary>
    private sealed class Guarded(Stream stream, string? packing) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            try
            {
                return stream.Read(buffer, offset, count);
            }
            catch (Exception error) when (IsDamage(error))
            {
                throw Damage(error, packing);
            }
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                stream.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
