using System.Reflection;
using System.Runtime.Loader;

namespace NotebookRunner.Kernel;

/// <summary>
/// Loads what <c>#r</c> names into the default load context, its dependencies from the same folder: one copy of everything per process, so that
/// types met in two cells, or inside and outside the library, are the same types.
/// </summary>
internal sealed class ReferencedLibraries
{
    private readonly List<string> _folders = [];
    private readonly List<Assembly> _loaded = [];

    public ReferencedLibraries() => AssemblyLoadContext.Default.Resolving += Resolve;

    /// <summary>Name and version of each referenced library, for the report.</summary>
    public Dictionary<string, string> Versions => _loaded.ToDictionary(assembly => assembly.GetName().Name!, VersionOf);

    /// <summary>Loads a library once.</summary>
    /// <exception cref="FileLoadException">Another file with the same assembly name is loaded already: the process has to be started anew.</exception>
    public Assembly Load(string path)
    {
        var full = Path.GetFullPath(path);
        if (!_folders.Contains(Path.GetDirectoryName(full)!))
        {
            _folders.Add(Path.GetDirectoryName(full)!);
        }

        var assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(full);
        if (!_loaded.Contains(assembly))
        {
            _loaded.Add(assembly);
        }

        return assembly;
    }

    private Assembly? Resolve(AssemblyLoadContext context, AssemblyName name)
    {
        var file = _folders.Select(folder => Path.Combine(folder, name.Name + ".dll")).FirstOrDefault(File.Exists);
        return file is null ? null : context.LoadFromAssemblyPath(file);
    }

    private static string VersionOf(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? assembly.GetName().Version?.ToString() ?? "";
}
