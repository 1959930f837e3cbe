namespace NotebookRunner.Kernel;

/// <summary>What <see cref="Console.In"/> is for cells: whoever reads from it learns what to do instead.</summary>
internal sealed class NoKeyboard : TextReader
{
    /// <summary>What to do instead of reading from the console.</summary>
    public const string Advice = "a notebook has no keyboard: make it a parameter, `var answer = \"…\";` in the cell that begins with `// parameters`, "
        + "and set it by -p answer=…";

    public override int Peek() => throw Refusal();

    public override int Read() => throw Refusal();

    public override int Read(char[] buffer, int index, int count) => throw Refusal();

    public override string ReadLine() => throw Refusal();

    public override string ReadToEnd() => throw Refusal();

    private static InvalidOperationException Refusal() => new($"Console.ReadLine waits for a keyboard, and {Advice}.");
}
