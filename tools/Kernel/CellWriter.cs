using System.Text;

namespace NotebookRunner.Kernel;

/// <summary>What <see cref="Console.Out"/> and <see cref="Console.Error"/> are inside the kernel: text goes to the parent in the order of all other events.</summary>
internal sealed class CellWriter(EventSink sink, string stream) : TextWriter
{
    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value) => sink.Write(stream, [value]);

    public override void Write(char[] buffer, int index, int count) => sink.Write(stream, buffer.AsSpan(index, count));

    public override void Write(ReadOnlySpan<char> buffer) => sink.Write(stream, buffer);

    public override void Write(string? value) => sink.Write(stream, value);

    public override void WriteLine(string? value) => sink.Write(stream, value + "\n");

    public override void Flush() => sink.Flush();
}
