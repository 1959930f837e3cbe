using System.Text;
using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>One thing below a cell.</summary>
internal abstract class CellOutput;

/// <summary>Text of one of the streams, adjacent pieces joined.</summary>
internal sealed class StreamOutput(string name) : CellOutput
{
    private readonly StringBuilder _text = new();
    private int _lineStart;
    private bool _hasReturned;

    /// <summary><c>stdout</c> or <c>stderr</c>.</summary>
    public string Name { get; } = name;

    public string Text => _text.ToString();

    /// <summary>Adds text; after a carriage return the line is written anew, as on a terminal.</summary>
    public void Append(string text)
    {
        foreach (var letter in text)
        {
            Append(letter);
        }
    }

    private void Append(char letter)
    {
        if (letter == '\r')
        {
            _hasReturned = true;
            return;
        }

        // "50 %\r" leaves the 50 % standing until something overwrites it; "\r\n" is a line's end.
        if (_hasReturned && letter != '\n')
        {
            _text.Length = _lineStart;
        }

        _hasReturned = false;
        _text.Append(letter);
        _lineStart = letter == '\n' ? _text.Length : _lineStart;
    }
}

/// <summary>Something shown, one content per mime type.</summary>
internal sealed class DisplayOutput(string? id, IReadOnlyDictionary<string, string> data, bool isResult) : CellOutput
{
    /// <summary>Under which updates come; null when none can.</summary>
    public string? Id { get; } = id;

    public IReadOnlyDictionary<string, string> Data { get; set; } = data;

    /// <summary>True for the value of a cell's last expression.</summary>
    public bool IsResult { get; } = isResult;
}

/// <summary>The outputs of one cell, built from the kernel's events.</summary>
internal sealed class CellOutputs
{
    private const int MostOutputs = 1000;
    private const long MostChars = 128L << 20;

    private readonly List<CellOutput> _all = [];
    private long _chars;
    private bool _isFull;

    public IReadOnlyList<CellOutput> All => _all;

    /// <summary>Adds text to the stream that is being written, or begins it.</summary>
    public void Append(KernelEvent.StreamText text)
    {
        if (_all.LastOrDefault() is StreamOutput last && last.Name == text.Name)
        {
            last.Append(text.Text);
        }
        else if (HasRoom())
        {
            var stream = new StreamOutput(text.Name);
            stream.Append(text.Text);
            _all.Add(stream);
        }
    }

    /// <summary>Adds something shown.</summary>
    public void Add(KernelEvent.Displayed displayed)
    {
        if (HasRoom(displayed.Data))
        {
            _all.Add(new DisplayOutput(displayed.Id, displayed.Data, displayed.IsResult));
        }
    }

    /// <summary>Replaces what is shown under an id.</summary>
    /// <returns>False when this cell showed nothing under it.</returns>
    public bool Update(KernelEvent.Updated updated)
    {
        var found = _all.OfType<DisplayOutput>().FirstOrDefault(output => output.Id == updated.Id);
        if (found is not null)
        {
            found.Data = updated.Data;
        }

        return found is not null;
    }

    private bool HasRoom(IReadOnlyDictionary<string, string>? more = null)
    {
        _chars += more?.Values.Sum(content => (long)content.Length) ?? 0;
        if (!_isFull && (_all.Count == MostOutputs || _chars > MostChars))
        {
            var notice = new StreamOutput("stderr");
            notice.Append($"… more than {MostOutputs} outputs or {MostChars >> 20} million characters below one cell; the rest is left out\n");
            _all.Add(notice);
            _isFull = true;
        }

        return !_isFull;
    }
}
