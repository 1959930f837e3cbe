using System.Reflection;
using NotebookLib.Platform;

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

/// <summary>Whatever shows this library's values while a cell runs: a notebook front end, the headless runner, or a console.</summary>
internal interface INotebookHost
{
    /// <summary>True when a shown value can be replaced in place; false where every update is another line.</summary>
    bool CanUpdate { get; }

    /// <summary>Shows a value now, without waiting for the cell to end.</summary>
    /// <param name="value">A view of this library, or anything else (then its <c>ToString()</c> is shown).</param>
    /// <returns>A handle to the place where it is shown.</returns>
    IDisplayHandle Show(object value);
}

/// <summary>A place in the output, whose content can be replaced. Safe to use from any thread.</summary>
public interface IDisplayHandle
{
    /// <summary>Replaces what is shown; where the host cannot, shows the new value below.</summary>
    void Update(object value);
}

/// <summary>
/// The genuine .NET Interactive kernel, reached by reflection: <c>KernelInvocationContext.Current.Display(value)</c>, then <c>.Update(value)</c> on what it
/// returns (dotnet/interactive 098a01b src/Microsoft.DotNet.Interactive/KernelInvocationContextExtensions.cs). The kernel formats our views by convention.
/// Its updates are lost once the cell has ended.
/// </summary>
internal sealed class InteractiveHost : INotebookHost
{
    private readonly object _context;
    private readonly MethodInfo _display;
    private readonly MethodInfo _update;

    private InteractiveHost(object context, MethodInfo display, MethodInfo update) => (_context, _display, _update) = (context, display, update);

    public bool CanUpdate => true;

    /// <summary>The kernel whose cell is running now, or null when there is none.</summary>
    public static InteractiveHost? Find() => InteractiveKernel.Find() is { } interactive ? Find(interactive) : null;

    /// <inheritdoc cref="Find()"/>
    /// <param name="interactive">The assembly that defines the kernel's types.</param>
    internal static InteractiveHost? Find(Assembly interactive)
    {
        var display = interactive.GetType("Microsoft.DotNet.Interactive.KernelInvocationContextExtensions")
            ?.GetMethod("Display", [InteractiveKernel.CellType(interactive)!, typeof(object), typeof(string[])]);
        var update = display?.ReturnType.GetMethod("Update", [typeof(object)]);
        var context = InteractiveKernel.RunningCell(interactive);
        return context is null || display is null || update is null ? null : new(context, display, update);
    }

    public IDisplayHandle Show(object value) => new Handle(_update, _display.Invoke(null, [_context, value, Array.Empty<string>()])!);

    private sealed class Handle(MethodInfo update, object displayed) : IDisplayHandle
    {
        private readonly Lock _lock = new();

        public void Update(object value)
        {
            // The kernel's own type keeps the last value without a lock.
            lock (_lock)
            {
                update.Invoke(displayed, [value]);
            }
        }
    }
}

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
