using System.Buffers.Binary;
using System.IO.Hashing;

namespace NotebookLib.Tests.Tracking.TransactionLog;

/// <summary>
/// Reads W&amp;B's transaction log by its format alone, and nothing of the library's: blocks, checksums, protobuf's wire format.
/// </summary>
internal static class LogFileReader
{
    private const int BlockBytes = 32 << 10;

    /// <summary>The records' bytes; every checksum is verified.</summary>
    public static IReadOnlyList<byte[]> Records(byte[] file)
    {
        Assert.Equal([.. ":W&B"u8, 0xE1, 0xBE, 0], file[..7]);
        List<byte[]> records = [];
        List<byte> record = [];
        var position = 7;
        while (position < file.Length)
        {
            var left = BlockBytes - (position % BlockBytes);
            if (left < 7)
            {
                Assert.All(file[position..Math.Min(file.Length, position + left)], padding => Assert.Equal(0, padding));
                position += left;
                continue;
            }

            var (checksum, length, type) =
                (BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(position)), BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(position + 4)),
                file[position + 6]);
            var data = file[(position + 7)..(position + 7 + length)];
            Assert.Equal(checksum, Crc32.HashToUInt32([type, .. data]));
            Assert.Equal(record.Count == 0, type is 1 or 2);
            record.AddRange(data);
            position += 7 + length;
            if (type is 1 or 4)
            {
                records.Add([.. record]);
                record.Clear();
            }
        }

        Assert.Empty(record);
        return records;
    }

    /// <summary>A message's fields: number, and the number or the bytes that it holds.</summary>
    public static IReadOnlyList<(int Field, ulong Number, byte[] Bytes)> Fields(byte[] message)
    {
        List<(int, ulong, byte[])> fields = [];
        var position = 0;
        while (position < message.Length)
        {
            var key = Varint(message, ref position);
            var value = Varint(message, ref position);
            Assert.True((key & 7) is 0 or 2, $"wire type {key & 7}");
            byte[] bytes = (key & 7) == 2 ? message[position..(position + (int)value)] : [];
            position += bytes.Length;
            fields.Add(((int)(key >> 3), value, bytes));
        }

        return fields;
    }

    /// <summary>The bytes of a field inside fields.</summary>
    public static byte[] Find(byte[] message, params int[] path) =>
        path.Aggregate(message, (inner, field) => Fields(inner).First(one => one.Field == field).Bytes);

    private static ulong Varint(byte[] bytes, ref int position)
    {
        var (number, shift) = (0UL, 0);
        while (true)
        {
            var part = bytes[position++];
            number |= (ulong)(part & 0x7F) << shift;
            shift += 7;
            if (part < 0x80)
            {
                return number;
            }
        }
    }
}
