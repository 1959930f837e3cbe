namespace NotebookLib.Display;

/// <summary>
/// Finds the host that shows values: one that was set explicitly, else the .NET Interactive kernel whose cell is running (in an editor and in the runner
/// alike), else the console. The library references none of them.
/// </summary>
public static class NotebookHost
{
    private static INotebookHost? s_explicit;

    /// <summary>
    /// The host to show values on; found anew at each call, so a host may announce itself late. Setting it wins over all others, null undoes that.
    /// </summary>
    [System.Diagnostics.CodeAnalysis.AllowNull]
    internal static INotebookHost Current
    {
        get => s_explicit ?? (INotebookHost?)InteractiveHost.Find() ?? new TextHost(Console.Out);
        set => s_explicit = value;
    }

    /// <summary>Shows a value on <see cref="Current"/>.</summary>
    /// <inheritdoc cref="INotebookHost.Show"/>
    public static IDisplayHandle Show(object value) => Current.Show(value);
}
