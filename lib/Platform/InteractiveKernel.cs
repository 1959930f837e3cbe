using System.Reflection;

namespace NotebookLib.Platform;

/// <summary>
/// The genuine .NET Interactive kernel around us, reached by reflection, since this library references none of its packages
/// (dotnet/interactive 098a01b src/Microsoft.DotNet.Interactive/KernelInvocationContext.cs).
/// </summary>
internal static class InteractiveKernel
{
    /// <summary>The assembly that defines the kernel's types; null outside a kernel.</summary>
    public static Assembly? Find() =>
        AppDomain.CurrentDomain.GetAssemblies().FirstOrDefault(assembly => assembly.GetName().Name == "Microsoft.DotNet.Interactive");

    /// <summary>The type whose instances stand for one running cell each; null when the assembly has no such type.</summary>
    public static Type? CellType(Assembly interactive) => interactive.GetType("Microsoft.DotNet.Interactive.KernelInvocationContext");

    /// <summary>The cell that this code runs for, on whatever thread; null outside cells.</summary>
    public static object? RunningCell(Assembly interactive) =>
        CellType(interactive)?.GetProperty("Current", BindingFlags.Public | BindingFlags.Static)?.GetValue(null);

    /// <summary>
    /// What the front end's stop button cancels: the kernel goes on with the next cell only after the interrupted one has returned, so long work has to look.
    /// </summary>
    /// <returns>The token of the running cell; null outside cells, and for work that its cell did not wait for.</returns>
    public static CancellationToken? StopToken(Assembly interactive)
    {
        try
        {
            return RunningCell(interactive) is { } cell && CellType(interactive)!.GetProperty("CancellationToken")?.GetValue(cell) is CancellationToken token
                ? token : null;
        }
        catch (TargetInvocationException ended) when (ended.InnerException is ObjectDisposedException)
        {
            return null;
        }
    }
}
