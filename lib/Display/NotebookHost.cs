namespace NotebookLib.Display;

/// <summary>
/// Finds the host that shows values: one that was set explicitly, else the one in the data slot, else the genuine .NET Interactive kernel, else the console.
/// The library references none of them.
/// </summary>
/// <remarks>
/// <para>A host that runs notebooks in its own process (the runner's child process, for instance) announces itself before the first cell, without sharing a type:</para>
/// <code>
/// // (MIME type, content, the same in plain text) → an action that replaces content and plain text; it may be called from any thread.
/// Func&lt;string, string, string, Action&lt;string, string&gt;&gt; show = (mimeType, content, plainText) =&gt; …;
/// AppContext.SetData("NotebookHost.DisplayUpdatable", show);
/// </code>
/// <para>Views arrive as <c>text/html</c>, everything else as <c>text/plain</c>; an update keeps the MIME type. The plain text's last line serves as progress.</para>
/// </remarks>
public static class NotebookHost
{
    /// <summary>The name of the data slot in <see cref="AppContext"/>: <c>NotebookHost.DisplayUpdatable</c>.</summary>
    public const string DataName = "NotebookHost.DisplayUpdatable";

    private static INotebookHost? s_explicit;

    /// <summary>The host to show values on; found anew at each call, so a host may announce itself late. Setting it wins over all others, null undoes that.</summary>
    [System.Diagnostics.CodeAnalysis.AllowNull]
    public static INotebookHost Current
    {
        get => s_explicit ?? SlotHost.Find() ?? (INotebookHost?)KernelHost.Find() ?? new TextHost(Console.Out);
        set => s_explicit = value;
    }

    /// <summary>Shows a value on <see cref="Current"/>.</summary>
    /// <inheritdoc cref="INotebookHost.Show"/>
    public static IDisplayHandle Show(object value) => Current.Show(value);
}
