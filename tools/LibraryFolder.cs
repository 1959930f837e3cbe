using System.Runtime.Loader;

namespace NotebookRunner;

/// <summary>Where NotebookLib lies: the runner carries no copy, bin/lib beside bin/tools is the only one.</summary>
internal static class LibraryFolder
{
    /// <summary>The folder of NotebookLib.dll.</summary>
    public static string Location { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "lib"));

    private static readonly Lazy<bool> Loadable = new(() =>
    {
        AssemblyLoadContext.Default.Resolving += (context, name) =>
        {
            var path = Path.Combine(Location, name.Name + ".dll");
            return File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
        };
        return true;
    });

    /// <summary>Lets this process load NotebookLib and what it needs from that folder.</summary>
    public static void MakeLoadable() => _ = Loadable.Value;
}
