using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace NotebookLib.Data;

/// <summary>Remembers which sentences came before, 16 bytes each: half of a SHA-256 over words and tags.</summary>
internal sealed class SeenSentences
{
    private readonly HashSet<UInt128> _hashes = [];
    private readonly ArrayBufferWriter<byte> _bytes = new(1024);

    /// <returns>True when the sentence is new.</returns>
    public bool Add(Sentence sentence) => _hashes.Add(HashOf(sentence));

    /// <summary>Stands for a sentence's words and tags.</summary>
    public UInt128 HashOf(Sentence sentence)
    {
        _bytes.ResetWrittenCount();
        foreach (var word in sentence.Words)
        {
            // The length in front keeps ("ab", "c") apart from ("a", "bc").
            WriteInt32(word.Length);
            _bytes.Write(MemoryMarshal.AsBytes(word.AsSpan()));
        }

        foreach (var tag in sentence.Tags)
        {
            WriteInt32(tag);
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(_bytes.WrittenSpan, hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    private void WriteInt32(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.GetSpan(sizeof(int)), value);
        _bytes.Advance(sizeof(int));
    }
}
