using System.Text;

namespace NotebookRunner.Running;

/// <summary>
/// Standard output or error that may fail, on a full disk, in a terminal that went away: what cannot be said is not said, and the run goes on. The page on disk
/// has it all.
/// </summary>
internal sealed class LenientWriter(TextWriter inner) : TextWriter
{
    private static Func<string, string>? s_mask;

    /// <summary>From now on texts are masked before they are written: a cell may print a token, and a terminal's lines end up in logs.</summary>
    public static void MaskBy(Func<string, string> mask) => s_mask = mask;

    /// <summary>Makes both of this process's outputs lenient.</summary>
    public static void TakeOver()
    {
        Console.SetOut(new LenientWriter(Console.Out));
        Console.SetError(new LenientWriter(Console.Error));
    }

    /// <inheritdoc />
    public override Encoding Encoding => inner.Encoding;

    /// <inheritdoc />
    public override void Write(char value) => Try(() => inner.Write(value));

    /// <inheritdoc />
    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(Masked(new string(buffer, index, count))));

    /// <inheritdoc />
    public override void Write(string? value) => Try(() => inner.Write(Masked(value)));

    /// <inheritdoc />
    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    /// <inheritdoc />
    public override void WriteLine(string? value) => Try(() => inner.WriteLine(Masked(value)));

    /// <inheritdoc />
    public override void Flush() => Try(inner.Flush);

    private static string? Masked(string? text) => text is null || s_mask is null ? text : s_mask(text);

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            // Each time anew: a disk may have room again.
        }
    }
}
