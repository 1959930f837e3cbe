using System.Text;

namespace NotebookLib.Tracking;

/// <summary>Copies System.Console's two outputs line by line while it lives.</summary>
internal sealed class ConsoleTee : IDisposable
{
    private readonly TextWriter _out = Console.Out;
    private readonly TextWriter _error = Console.Error;
    private readonly LineTee _outTee;
    private readonly LineTee _errorTee;
    private readonly (TextWriter Out, TextWriter Error) _ours;

    /// <summary>Begins to copy.</summary>
    /// <param name="onLine">Takes a line and whether it went to standard error.</param>
    public ConsoleTee(Action<string, bool> onLine)
    {
        _outTee = new LineTee(_out, line => onLine(line, false));
        _errorTee = new LineTee(_error, line => onLine(line, true));
        Console.SetOut(_outTee);
        Console.SetError(_errorTee);
        // The console wraps what it is given.
        _ours = (Console.Out, Console.Error);
    }

    /// <summary>Stops; half a line counts as a line.</summary>
    public void Dispose()
    {
        // Somebody who took the console over in between keeps it: what passes through us is then no longer copied.
        if (ReferenceEquals(Console.Out, _ours.Out))
        {
            Console.SetOut(_out);
        }

        if (ReferenceEquals(Console.Error, _ours.Error))
        {
            Console.SetError(_error);
        }

        _outTee.End();
        _errorTee.End();
    }
}

/// <summary>
/// Passes printed text on, and makes lines of it: a carriage return begins the line anew, so of a progress bar only the last state stays.
/// </summary>
/// <param name="inner">Where the text goes.</param>
/// <param name="onLine">Takes each line.</param>
internal sealed class LineTee(TextWriter inner, Action<string> onLine) : TextWriter
{
    [ThreadStatic]
    private static bool s_isCopying;

    private readonly Lock _lock = new();
    private readonly StringBuilder _line = new();
    private bool _returned;
    private bool _isOver;

    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value)
    {
        inner.Write(value);
        Copy([value]);
    }

    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    public override void Write(string? value) => Write(value.AsSpan());

    public override void WriteLine(string? value) => Write(string.Concat(value, NewLine).AsSpan());

    public override void Write(ReadOnlySpan<char> buffer)
    {
        inner.Write(buffer);
        Copy(buffer);
    }

    public override void Flush() => inner.Flush();

    /// <summary>Copies no more; half a line counts as a line.</summary>
    public void End()
    {
        _isOver = true;
        lock (_lock)
        {
            if (_line.Length > 0)
            {
                Emit();
            }
        }
    }

    private void Copy(ReadOnlySpan<char> text)
    {
        // A notice printed while a line is being copied would come back here.
        if (s_isCopying || _isOver)
        {
            return;
        }

        s_isCopying = true;
        try
        {
            lock (_lock)
            {
                foreach (var c in text)
                {
                    Add(c);
                }
            }
        }
        finally
        {
            s_isCopying = false;
        }
    }

    private void Add(char c)
    {
        if (c == '\n')
        {
            Emit();
        }
        else if (c == '\r')
        {
            _returned = true;
        }
        else
        {
            // "\r\n" is a line's end, "\r" and more text its new beginning.
            _ = _returned ? _line.Clear() : _line;
            _returned = false;
            _line.Append(c);
            if (_line.Length >= StreamBatch.LongestOutputCharacters)
            {
                Emit();
            }
        }
    }

    private void Emit()
    {
        var line = _line.ToString();
        _line.Clear();
        _returned = false;
        onLine(line);
    }
}
