namespace NotebookLib.Display;

/// <summary>A host of lines: a console, a log file, a test. Nothing is replaced; an update is more text below.</summary>
/// <param name="writer">Where the lines go.</param>
internal sealed class TextHost(TextWriter writer) : INotebookHost, IDisplayHandle
{
    private readonly Lock _lock = new();

    /// <inheritdoc />
    public bool CanUpdate => false;

    /// <inheritdoc />
    public IDisplayHandle Show(object value)
    {
        Update(value);
        return this;
    }

    /// <inheritdoc />
    public void Update(object value)
    {
        lock (_lock)
        {
            writer.WriteLine(value.ToString());
        }
    }
}
