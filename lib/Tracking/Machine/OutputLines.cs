using System.Text;

namespace NotebookLib.Tracking;

/// <summary>
/// Makes lines out of printed text: a carriage return begins the line anew, so of a progress bar only the last state stays (WANDB.md §4, console).
/// </summary>
/// <param name="onLine">Takes each line.</param>
internal sealed class OutputLines(Action<string> onLine)
{
    private readonly Lock _lock = new();
    private readonly StringBuilder _line = new();
    private bool _returned;

    /// <summary>Adds printed text.</summary>
    public void Add(ReadOnlySpan<char> text)
    {
        lock (_lock)
        {
            foreach (var c in text)
            {
                Add(c);
            }
        }
    }

    /// <summary>Ends a line that has no end yet.</summary>
    public void End()
    {
        lock (_lock)
        {
            if (_line.Length > 0)
            {
                Emit();
            }
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
            if (_line.Length >= WireLimits.LongestOutputCharacters)
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
