namespace NotebookLib.Data;

/// <summary>
/// A file that may be read only so often: hostile offsets can send a format library round and round the same bytes, each round a little progress or none.
/// </summary>
internal sealed class BoundedReadStream(FileStream file) : Stream
{
    private readonly long _allowance = (4 * file.Length) + (1 << 20);
    private long _byteCount;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => file.Length;

    public override long Position
    {
        get => file.Position;
        set => file.Position = value;
    }

    /// <summary>Begins a new count.</summary>
    public void Restart() => _byteCount = 0;

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        var count = file.Read(buffer);
        _byteCount += Math.Max(count, 1);
        return _byteCount <= _allowance ? count : throw new InvalidDataException("its offsets lead round in circles");
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        Task.FromResult(Read(buffer.AsSpan(offset, count)));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

    public override long Seek(long offset, SeekOrigin origin) => file.Seek(offset, origin);

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            file.Dispose();
        }

        base.Dispose(disposing);
    }
}
