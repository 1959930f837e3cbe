using System.Buffers.Binary;
using System.IO.Hashing;
using Google.Protobuf;

namespace NotebookLib.Tracking.TransactionLog;

/// <summary>
/// Writes W&amp;B's transaction log: a 7-byte file header, then 32 KiB blocks of chunks. A chunk is CRC-32 (over type and data), length, type,
/// data; type 1 is a whole record, 2, 3 and 4 are its first, middle and last part; fewer than 7 bytes at a block's end are zero.
/// </summary>
internal sealed class TransactionLogWriter
{
    private const int BlockBytes = 32 << 10;
    private const int ChunkHeaderBytes = 7;
    private const byte Whole = 1;
    private const byte First = 2;
    private const byte Middle = 3;
    private const byte Last = 4;

    private readonly Stream _stream;
    private long _position;
    private long _records;

    /// <summary>Begins a log; the stream stays its owner's.</summary>
    public TransactionLogWriter(Stream stream)
    {
        _stream = stream;
        Put([.. ":W&B"u8, 0xE1, 0xBE, 0]);
    }

    /// <summary>Appends a record and numbers it.</summary>
    public void Append(LogRecord record)
    {
        record.Num = ++_records;
        ReadOnlySpan<byte> data = record.ToByteArray();
        var isFirst = true;
        do
        {
            var left = BlockBytes - (int)(_position % BlockBytes);
            if (left < ChunkHeaderBytes)
            {
                Put(new byte[left]);
                left = BlockBytes;
            }

            var part = data[..Math.Min(data.Length, left - ChunkHeaderBytes)];
            data = data[part.Length..];
            PutChunk(isFirst ? (data.IsEmpty ? Whole : First) : data.IsEmpty ? Last : Middle, part);
            isFirst = false;
        }
        while (!data.IsEmpty);
    }

    /// <summary>Carries everything to the operating system.</summary>
    public void Flush() => _stream.Flush();

    private void PutChunk(byte type, ReadOnlySpan<byte> data)
    {
        var checksum = new Crc32();
        checksum.Append([type]);
        checksum.Append(data);
        Span<byte> header = stackalloc byte[ChunkHeaderBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(header, checksum.GetCurrentHashAsUInt32());
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], (ushort)data.Length);
        header[6] = type;
        Put(header);
        Put(data);
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _position += bytes.Length;
    }
}
