using System.Buffers.Binary;

namespace NotebookLib.Data;

/// <summary>
/// Parquet's encodings of levels, whole numbers and byte arrays (parquet-format, Encodings.md). Counts come from the page's header; nothing is read past the
/// bytes given.
/// </summary>
internal static class ParquetEncodings
{
    /// <summary>Runs and bit-packed groups in turns: levels and dictionary indices.</summary>
    public static int[] ReadHybrid(ReadOnlySpan<byte> bytes, int bitWidth, int count)
    {
        ThrowIf(bitWidth is < 0 or > 32, "a bit width is out of range");
        var values = new int[count];
        var (at, filled) = (0, 0);
        while (filled < count)
        {
            var head = ReadUnsigned(bytes, ref at);
            if ((head & 1) == 0)
            {
                var size = (bitWidth + 7) / 8;
                ThrowIf(size > bytes.Length - at || head == 0, "a run of its levels or indices is damaged");
                var value = 0;
                for (var i = 0; i < size; i++)
                {
                    value |= bytes[at + i] << (8 * i);
                }

                at += size;
                var length = (int)Math.Min(head >> 1, (ulong)(count - filled));
                values.AsSpan(filled, length).Fill(value);
                filled += length;
            }
            else
            {
                var length = (int)Math.Min((head >> 1) * 8, (ulong)(count - filled));
                Unpack(bytes[at..], bitWidth, values.AsSpan(filled, length));
                at += (int)Math.Min((head >> 1) * (ulong)bitWidth, (ulong)(bytes.Length - at));
                filled += length;
            }
        }

        return values;
    }

    /// <summary>DELTA_BINARY_PACKED.</summary>
    /// <param name="bytes">Begin with the numbers.</param>
    /// <param name="count">How many numbers there must be.</param>
    /// <param name="length">How many bytes they take.</param>
    public static long[] ReadDeltas(ReadOnlySpan<byte> bytes, int count, out int length)
    {
        var at = 0;
        var (blockSize, parts) = (ReadUnsigned(bytes, ref at), ReadUnsigned(bytes, ref at));
        ThrowIf(blockSize is 0 or > 1 << 20 || parts == 0 || parts > blockSize || blockSize % parts != 0, "the block sizes of its delta encoding are damaged");
        ThrowIf(ReadUnsigned(bytes, ref at) != (ulong)count, "its delta encoding has another number of values than its page");
        var values = new long[count];
        var last = ReadZigZag(bytes, ref at);
        Span<int> widths = stackalloc int[(int)Math.Min(parts, 512)];
        ThrowIf(parts > 512, "the block sizes of its delta encoding are damaged");
        var partSize = (int)(blockSize / parts);
        for (var filled = 0; filled < count;)
        {
            if (filled == 0)
            {
                values[filled++] = last;
                continue;
            }

            var least = ReadZigZag(bytes, ref at);
            ThrowIf(widths.Length > bytes.Length - at, "its delta encoding was cut off");
            for (var part = 0; part < widths.Length; part++)
            {
                widths[part] = bytes[at++];
            }

            for (var part = 0; part < widths.Length && filled < count; part++)
            {
                var size = (int)(((long)partSize * widths[part] + 7) / 8);
                ThrowIf(widths[part] > 64 || size > bytes.Length - at, "its delta encoding was cut off");
                for (var i = 0; i < partSize && filled < count; i++)
                {
                    last = unchecked(last + least + (long)Bits(bytes[at..], (long)i * widths[part], widths[part]));
                    values[filled++] = last;
                }

                at += size;
            }
        }

        length = at;
        return values;
    }

    /// <summary>DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.</summary>
    public static ReadOnlyMemory<byte>[] ReadDeltaLengths(ReadOnlyMemory<byte> bytes, int count)
    {
        var lengths = ReadDeltas(bytes.Span, count, out var at);
        var values = new ReadOnlyMemory<byte>[count];
        for (var i = 0; i < count; i++)
        {
            ThrowIf(lengths[i] < 0 || lengths[i] > bytes.Length - at, "a length of its texts is damaged");
            values[i] = bytes.Slice(at, (int)lengths[i]);
            at += (int)lengths[i];
        }

        return values;
    }

    /// <summary>DELTA_BYTE_ARRAY: each value shares a beginning with the one before.</summary>
    /// <param name="bytes">The values.</param>
    /// <param name="count">How many.</param>
    /// <param name="most">How many bytes they may come to: the encoding lets a small page stand for a huge one.</param>
    public static ReadOnlyMemory<byte>[] ReadDeltaTexts(ReadOnlyMemory<byte> bytes, int count, long most)
    {
        var shared = ReadDeltas(bytes.Span, count, out var at);
        var values = ReadDeltaLengths(bytes[at..], count);
        for (var i = 0; i < count; i++)
        {
            ThrowIf(shared[i] < 0 || shared[i] > (i == 0 ? 0 : values[i - 1].Length), "a shared beginning of its texts is damaged");
            most -= shared[i];
            ThrowIf(most < 0, "its texts come to more than a page may hold");
            if (shared[i] > 0)
            {
                values[i] = (byte[])[.. values[i - 1].Span[..(int)shared[i]], .. values[i].Span];
            }
        }

        return values;
    }

    /// <summary>PLAIN byte arrays: length, bytes, length, bytes, …</summary>
    public static ReadOnlyMemory<byte>[] ReadTexts(ReadOnlyMemory<byte> bytes, int count)
    {
        ThrowIf(count > bytes.Length / 4, "it claims more texts than its page can hold");
        var values = new ReadOnlyMemory<byte>[count];
        var at = 0;
        for (var i = 0; i < count; i++)
        {
            ThrowIf(bytes.Length - at < 4, "its texts were cut off");
            var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[at..]);
            at += 4;
            ThrowIf(length > bytes.Length - at, "a length of its texts is damaged");
            values[i] = bytes.Slice(at, (int)length);
            at += (int)length;
        }

        return values;
    }

    /// <summary>PLAIN or BYTE_STREAM_SPLIT whole numbers of 4 or 8 bytes.</summary>
    public static long[] ReadNumbers(ReadOnlySpan<byte> bytes, int count, int size, bool isSplit)
    {
        ThrowIf(count > bytes.Length / size, "it claims more numbers than its page can hold");
        var values = new long[count];
        Span<byte> one = stackalloc byte[8];
        for (var i = 0; i < count; i++)
        {
            for (var part = 0; part < size; part++)
            {
                one[part] = bytes[isSplit ? (part * count) + i : (i * size) + part];
            }

            values[i] = size == 4 ? BinaryPrimitives.ReadInt32LittleEndian(one) : BinaryPrimitives.ReadInt64LittleEndian(one);
        }

        return values;
    }

    public static void ThrowIf(bool isWrong, string problem)
    {
        if (isWrong)
        {
            throw new InvalidDataException(problem);
        }
    }

    private static void Unpack(ReadOnlySpan<byte> bytes, int bitWidth, Span<int> values)
    {
        ThrowIf(((long)values.Length * bitWidth + 7) / 8 > bytes.Length, "its packed levels or indices were cut off");
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = (int)Bits(bytes, (long)i * bitWidth, bitWidth);
        }
    }

    // Least significant bits first.
    private static ulong Bits(ReadOnlySpan<byte> bytes, long firstBit, int width)
    {
        var (result, taken) = (0UL, 0);
        while (taken < width)
        {
            var bit = firstBit + taken;
            var (index, shift) = ((int)(bit >> 3), (int)(bit & 7));
            result |= (ulong)(bytes[index] >> shift) << taken;
            taken += 8 - shift;
        }

        return width == 64 ? result : result & ((1UL << width) - 1);
    }

    private static long ReadZigZag(ReadOnlySpan<byte> bytes, ref int at) =>
        ReadUnsigned(bytes, ref at) is var number ? (long)(number >> 1) ^ -(long)(number & 1) : 0;

    private static ulong ReadUnsigned(ReadOnlySpan<byte> bytes, ref int at)
    {
        var result = 0UL;
        for (var shift = 0; shift < 70; shift += 7)
        {
            ThrowIf(at >= bytes.Length, "a page was cut off");
            var next = bytes[at++];
            result |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return result;
            }
        }

        throw new InvalidDataException("a number in a page does not end");
    }
}
