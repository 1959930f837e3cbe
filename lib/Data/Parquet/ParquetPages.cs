using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using K4os.Compression.LZ4;
using Snappier;

namespace NotebookLib.Data;

/// <summary>The values of one column in one row group, unfolded from Parquet's levels.</summary>
/// <param name="Values">The values that are there: texts, or numbers as texts.</param>
/// <param name="Starts">Row r has the values <c>Values[Starts[r]..Starts[r + 1]]</c>.</param>
/// <param name="RowsWithNulls">Rows that are null or hold a null.</param>
internal sealed record ParquetValues(string[] Values, int[] Starts, IReadOnlySet<int> RowsWithNulls);

/// <summary>Decodes the pages of one column (parquet-format, README.md and Encodings.md): data pages of versions 1 and 2, every codec but LZO.</summary>
internal sealed class ParquetPages(ParquetColumn column, int codec, WordPool words)
{
    // A page of a tidy writer is about 1 MB; this is what a damaged or hostile one may claim at most, seen beside its packed size.
    private const int MaxPageBytes = 1 << 30;
    private static readonly string[] Codecs = ["none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw"];
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly char[] _characters = new char[64];
    private string[]? _dictionary;

    public ParquetValues Read(ReadOnlyMemory<byte> chunk, int count, int rowCount)
    {
        var (definitions, repetitions, values) = (new List<int>(), new List<int>(), new List<string>());
        while (definitions.Count < count)
        {
            var header = ThriftStruct.Read(chunk, out var length);
            var packed = header.Required(3, "the size of a page");
            ParquetEncodings.ThrowIf(packed < 0 || packed > chunk.Length - length, "a page claims more bytes than there are");
            var (body, unpacked) = (chunk.Slice(length, (int)packed), header.Required(2, "the size of a page"));
            chunk = chunk[(length + (int)packed)..];
            if (header.Struct(5) is { } first)
            {
                ReadVersion1(first, Unpack(body, unpacked));
            }
            else if (header.Struct(8) is { } second)
            {
                ReadVersion2(second, body, unpacked);
            }
            else if (header.Struct(7) is { } dictionary)
            {
                _dictionary = Decode(Unpack(body, unpacked), Count(dictionary, int.MaxValue), encoding: 0);
            }
        }

        return Unfold([.. definitions], [.. repetitions], [.. values], rowCount);

        // A run of levels stands for any number of entries, but no sentence has so many words that a byte would have to stand for thousands.
        int MostEntries(ReadOnlyMemory<byte> bytes) => (int)Math.Min(count - definitions.Count, (1L << 20) + (8192L * bytes.Length));

        void ReadVersion1(ThriftStruct header, ReadOnlyMemory<byte> bytes)
        {
            var entries = Count(header, MostEntries(bytes));
            ParquetEncodings.ThrowIf(
                (column.MaxRepetition > 0 && header.Number(4) is not (null or 3)) || (column.MaxDefinition > 0 && header.Number(3) is not (null or 3)),
                "its levels are bit-packed as Parquet 1.0 had it; write it anew, for instance by pyarrow or DuckDB");
            var repeated = Levels(ref bytes, column.MaxRepetition, entries);
            Add(Levels(ref bytes, column.MaxDefinition, entries), repeated, bytes, (int)(header.Number(2) ?? 0));
        }

        void ReadVersion2(ThriftStruct header, ReadOnlyMemory<byte> bytes, long unpacked)
        {
            var entries = Count(header, MostEntries(bytes));
            var (definitionBytes, repetitionBytes) = (header.Number(5) ?? 0, header.Number(6) ?? 0);
            ParquetEncodings.ThrowIf(definitionBytes < 0 || repetitionBytes < 0 || definitionBytes + repetitionBytes > bytes.Length,
                "the levels of a page are longer than the page");
            var levels = (int)(definitionBytes + repetitionBytes);
            var repeated = LevelsOf(bytes[..(int)repetitionBytes], column.MaxRepetition, entries);
            var defined = LevelsOf(bytes[(int)repetitionBytes..levels], column.MaxDefinition, entries);
            var rest = bytes[levels..];
            Add(defined, repeated, header.Number(7) is 0 ? rest : Unpack(rest, unpacked - levels), (int)(header.Number(4) ?? 0));
        }

        void Add(int[] defined, int[] repeated, ReadOnlyMemory<byte> bytes, int encoding)
        {
            definitions.AddRange(defined);
            repetitions.AddRange(repeated);
            values.AddRange(Decode(bytes, defined.Count(level => level == column.MaxDefinition), encoding));
        }
    }

    private static int Count(ThriftStruct header, int most) => header.Required(1, "the number of values of a page") is var count && count >= 0 && count <= most
        ? (int)count
        : throw new InvalidDataException("a page claims more values than its column has");

    // Version 1 writes the levels' length in front of them.
    private static int[] Levels(ref ReadOnlyMemory<byte> bytes, int most, int count)
    {
        if (most == 0)
        {
            return new int[count];
        }

        ParquetEncodings.ThrowIf(bytes.Length < 4, "a page was cut off");
        var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span);
        ParquetEncodings.ThrowIf(length > bytes.Length - 4, "the levels of a page are longer than the page");
        var levels = LevelsOf(bytes.Slice(4, (int)length), most, count);
        bytes = bytes[(4 + (int)length)..];
        return levels;
    }

    private static int[] LevelsOf(ReadOnlyMemory<byte> bytes, int most, int count)
    {
        var levels = most == 0 ? new int[count] : ParquetEncodings.ReadHybrid(bytes.Span, int.Log2(most) + 1, count);
        ParquetEncodings.ThrowIf(Array.Exists(levels, level => level > most), "a level is out of range");
        return levels;
    }

    private string[] Decode(ReadOnlyMemory<byte> bytes, int count, int encoding) => (encoding, column.Kind) switch
    {
        (2 or 8, _) => Looked(bytes, count),
        (0, ParquetKind.Text) => Texts(ParquetEncodings.ReadTexts(bytes, count)),
        (6, ParquetKind.Text) => Texts(ParquetEncodings.ReadDeltaLengths(bytes, count)),
        (7, ParquetKind.Text) => Texts(ParquetEncodings.ReadDeltaTexts(bytes, count, MaxPageBytes)),
        (0 or 9, ParquetKind.Int32 or ParquetKind.UInt32) => Numbers(ParquetEncodings.ReadNumbers(bytes.Span, count, 4, encoding == 9)),
        (0 or 9, ParquetKind.Int64) => Numbers(ParquetEncodings.ReadNumbers(bytes.Span, count, 8, encoding == 9)),
        (5, not ParquetKind.Text) => Numbers(ParquetEncodings.ReadDeltas(bytes.Span, count, out _)),
        _ => throw new InvalidDataException($"its column {column.Name} has encoding {encoding}, which is not read here; "
            + "write it with plain or dictionary encoding (pyarrow: column_encoding=None)"),
    };

    private string[] Looked(ReadOnlyMemory<byte> bytes, int count)
    {
        if (count == 0)
        {
            return [];
        }

        ParquetEncodings.ThrowIf(bytes.IsEmpty || _dictionary is null, "a page needs a dictionary that is not there");
        var indices = ParquetEncodings.ReadHybrid(bytes.Span[1..], bytes.Span[0], count);
        ParquetEncodings.ThrowIf(Array.Exists(indices, index => index < 0 || index >= _dictionary!.Length), "a page points outside of its dictionary");
        return Array.ConvertAll(indices, index => _dictionary![index]);
    }

    private string[] Texts(ReadOnlyMemory<byte>[] values) => Array.ConvertAll(values, value =>
    {
        try
        {
            // As many UTF-16 units as bytes at most.
            return value.Length <= _characters.Length
                ? words.Get(_characters.AsSpan(0, StrictUtf8.GetChars(value.Span, _characters))) : StrictUtf8.GetString(value.Span);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"a text of column {column.Name} is not valid UTF-8");
        }
    });

    private string[] Numbers(long[] values) => Array.ConvertAll(values, value => RawRow.NumberText(column.Kind == ParquetKind.UInt32 ? (uint)value : value));

    private ReadOnlyMemory<byte> Unpack(ReadOnlyMemory<byte> packed, long length)
    {
        ParquetEncodings.ThrowIf(length < 0 || length > Math.Min(MaxPageBytes, (64L << 20) + (1024L * packed.Length)),
            $"a page claims {length} bytes unpacked from {packed.Length}");
        if (codec == 0)
        {
            return packed;
        }

        var bytes = new byte[length];
        var found = codec switch
        {
            1 => UnpackSnappy(packed.Span, bytes),
            2 => ReadAll(new GZipStream(new MemoryStream(packed.ToArray()), CompressionMode.Decompress), bytes),
            4 => ReadAll(new BrotliStream(new MemoryStream(packed.ToArray()), CompressionMode.Decompress), bytes),
            5 => UnpackHadoopLz4(packed.Span, bytes),
            6 => UnpackZstd(packed.Span, bytes),
            7 => LZ4Codec.Decode(packed.Span, bytes),
            _ => throw new InvalidDataException($"its columns are packed by "
                + $"{(codec is >= 0 and < 8 ? Codecs[codec] : codec.ToString(CultureInfo.InvariantCulture))}, which is not read here; "
                + "write it with zstd or snappy (pyarrow: compression='zstd')"),
        };
        return found == length ? bytes : throw new InvalidDataException($"a page came to {found} bytes unpacked, its header says {length}");
    }

    private static int ReadAll(Stream stream, byte[] bytes)
    {
        using (stream)
        {
            return stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        }
    }

    private static int UnpackSnappy(ReadOnlySpan<byte> packed, byte[] bytes)
    {
        // The block says its length once more, and that much is taken for it.
        var claimed = Snappy.GetUncompressedLength(packed);
        return claimed == bytes.Length ? Snappy.Decompress(packed, bytes)
            : throw new InvalidDataException($"a page's Snappy block claims {claimed} bytes, its header says {bytes.Length}");
    }

    private static int UnpackZstd(ReadOnlySpan<byte> packed, byte[] bytes)
    {
        using var unpacker = new ZstdSharp.Decompressor();
        return unpacker.Unwrap(packed, bytes);
    }

    // Codec 5 is LZ4 as Hadoop frames it (big-endian sizes before each block), or one bare block where a writer did not.
    private static int UnpackHadoopLz4(ReadOnlySpan<byte> packed, Span<byte> bytes)
    {
        var rest = packed;
        var filled = 0;
        while (rest.Length > 8)
        {
            var (unpackedSize, packedSize) = (BinaryPrimitives.ReadUInt32BigEndian(rest), BinaryPrimitives.ReadUInt32BigEndian(rest[4..]));
            if (packedSize > rest.Length - 8 || unpackedSize > bytes.Length - filled
                || LZ4Codec.Decode(rest.Slice(8, (int)packedSize), bytes[filled..]) != unpackedSize)
            {
                return LZ4Codec.Decode(packed, bytes);
            }

            filled += (int)unpackedSize;
            rest = rest[(8 + (int)packedSize)..];
        }

        return filled;
    }

    // Dremel levels (parquet-format, "Nested Encoding"): repetition 0 starts a row; definition below the entry's level is an empty list or, lower still, a
    // null.
    private ParquetValues Unfold(int[] definitions, int[] repetitions, string[] values, int rowCount)
    {
        var starts = new int[rowCount + 1];
        var nulls = new HashSet<int>();
        var (row, value) = (-1, 0);
        for (var i = 0; i < definitions.Length; i++)
        {
            if (repetitions[i] == 0)
            {
                ParquetEncodings.ThrowIf(++row >= rowCount, "a column has more rows than its row group");
                starts[row] = value;
            }

            ParquetEncodings.ThrowIf(row < 0, "a column begins in the middle of a row");
            if (definitions[i] < column.EntryDefinition - 1 || (definitions[i] >= column.EntryDefinition && definitions[i] < column.MaxDefinition))
            {
                nulls.Add(row);
            }

            value += definitions[i] == column.MaxDefinition ? 1 : 0;
        }

        ParquetEncodings.ThrowIf(row != rowCount - 1, $"column {column.Name} has {row + 1} rows, its row group {rowCount}");
        starts[rowCount] = value;
        return new(values, starts, nulls);
    }
}
