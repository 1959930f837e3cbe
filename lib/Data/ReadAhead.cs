namespace NotebookLib.Data;

/// <summary>Bytes of a stream that were read and not yet taken: one buffer, which grows as far as its user asks for more.</summary>
internal sealed class ReadAhead(Stream stream)
{
    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;

    /// <summary>The bytes; valid until the next <see cref="Fill"/>.</summary>
    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(_start, _end - _start);

    /// <summary>Whether the stream has ended.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>Takes bytes from the front.</summary>
    public void Take(int count) => _start += count;

    /// <summary>Reads more behind what is there.</summary>
    /// <returns>False at the end of the stream.</returns>
    public bool Fill()
    {
        if (IsAtEnd)
        {
            return false;
        }

        Bytes.CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, 2 * _buffer.Length);
        }

        var count = stream.Read(_buffer, _end, _buffer.Length - _end);
        IsAtEnd = count == 0;
        _end += count;
        return count > 0;
    }
}
