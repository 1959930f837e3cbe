using System.Text;
using System.Threading.Channels;

namespace NotebookRunner.Running;

/// <summary>Reads one of the kernel's native standard streams: text goes on as it comes, the marker between cells is taken out and counted.</summary>
internal sealed class MarkedStream(Stream stream, string marker, Action<string> onText)
{
    private readonly string _marker = marker + "\n";
    private readonly Channel<bool> _markers = Channel.CreateUnbounded<bool>();

    /// <summary>Reads until the stream ends.</summary>
    public async Task ReadAsync()
    {
        using var reader = new StreamReader(stream, new UTF8Encoding(false), detectEncodingFromByteOrderMarks: false);
        var (buffer, held) = (new char[8192], "");
        while (await reader.ReadAsync(buffer) is var count and > 0)
        {
            held = Forward(held + new string(buffer, 0, count));
        }

        Emit(held);
    }

    /// <summary>Waits until one more marker has passed, or for as long as patience lasts: a cell may have closed the stream.</summary>
    public async Task PassMarkerAsync(TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(patience);
        await Task.WhenAny(_markers.Reader.ReadAsync(limit.Token).AsTask());
    }

    /// <summary>Emits what is surely text.</summary>
    /// <returns>The end that may be the beginning of a marker.</returns>
    private string Forward(string text)
    {
        for (var at = text.IndexOf(_marker, StringComparison.Ordinal); at >= 0; at = text.IndexOf(_marker, StringComparison.Ordinal))
        {
            Emit(text[..at]);
            text = text[(at + _marker.Length)..];
            _markers.Writer.TryWrite(true);
        }

        var last = text.LastIndexOf(_marker[0]);
        var keep = last >= 0 && _marker.StartsWith(text[last..], StringComparison.Ordinal) ? last : text.Length;
        Emit(text[..keep]);
        return text[keep..];
    }

    private void Emit(string text)
    {
        if (text.Length > 0)
        {
            onText(text);
        }
    }
}
