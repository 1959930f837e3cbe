using System.Net;

namespace NotebookLib.Hub;

/// <summary>A stretch of a file as a request's body, counted while it leaves.</summary>
internal sealed class FilePartContent(string path, long offset, long length, TransferMeter meter) : HttpContent
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);
        await using (file.ConfigureAwait(false))
        {
            file.Seek(offset, SeekOrigin.Begin);
            var buffer = new byte[1 << 17];
            for (var left = length; left > 0;)
            {
                var count = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken).ConfigureAwait(false);
                if (count == 0)
                {
                    throw new IOException($"{path}: became shorter while it was sent");
                }

                await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                meter.Add(count);
                left -= count;
            }
        }
    }

    protected override bool TryComputeLength(out long computed)
    {
        computed = length;
        return true;
    }
}
