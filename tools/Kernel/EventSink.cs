using System.Text;

namespace NotebookRunner.Kernel;

/// <summary>
/// The kernel's one way out: keeps what cells write, show and update in one order, from any thread. Text is gathered to whole lines
/// (or for a tenth of a second), so that a loop of small writes is not a storm of messages.
/// </summary>
internal sealed class EventSink : IDisposable
{
    private const int MostPendingChars = 8192;
    private static readonly TimeSpan LongestPending = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly StreamWriter _pipe;
    private readonly Timer _timer;
    private readonly StringBuilder _pending = new();
    private string _pendingStream = "stdout";

    public EventSink(Stream pipe)
    {
        _pipe = new StreamWriter(pipe, new UTF8Encoding(false)) { NewLine = "\n" };
        _timer = new Timer(_ => Flush(), null, LongestPending, LongestPending);
    }

    /// <summary>Sends an event after all text written before it.</summary>
    public void Send(KernelEvent happened)
    {
        lock (_lock)
        {
            SendPending();
            SendLine(happened);
        }
    }

    /// <summary>Takes an event: text waits for its line to end, everything else goes at once.</summary>
    public void Take(KernelEvent happened)
    {
        if (happened is KernelEvent.StreamText text)
        {
            Write(text.Name, text.Text);
        }
        else
        {
            Send(happened);
        }
    }

    private void Write(string stream, ReadOnlySpan<char> text)
    {
        lock (_lock)
        {
            if (stream != _pendingStream)
            {
                SendPending();
                _pendingStream = stream;
            }

            _pending.Append(text);
            if (_pending.Length > MostPendingChars || text.EndsWith("\n"))
            {
                SendPending();
            }
        }
    }

    /// <summary>Sends text that waits for its line to end.</summary>
    public void Flush()
    {
        lock (_lock)
        {
            SendPending();
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        _pipe.Dispose();
    }

    private void SendPending()
    {
        if (_pending.Length > 0)
        {
            SendLine(new KernelEvent.StreamText(_pendingStream, _pending.ToString()));
            _pending.Clear();
        }
    }

    private void SendLine(KernelEvent happened)
    {
        try
        {
            _pipe.WriteLine(KernelJson.Line(happened));
            _pipe.Flush();
        }
        catch (IOException)
        {
            // The parent is gone: nobody is left to run for, and an orphan would keep both cores busy.
            Environment.Exit(KernelHost.OrphanExitCode);
        }
    }
}
