using System.Reflection;
using NotebookLib.Platform;

namespace NotebookLib.Display;

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
