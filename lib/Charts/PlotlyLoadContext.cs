using System.Reflection;
using System.Runtime.Loader;

namespace NotebookLib.Charts;

/// <summary>
/// Where Plotly.NET lives. It asks for FSharp.Core 10.1 while the .NET Interactive kernel brings 10.0 and loads its own first; in a context of its own every
/// dependency comes from the library's folder, whatever the host has loaded.
/// </summary>
/// <param name="folder">The folder that holds NotebookLib.dll and everything it needs.</param>
internal sealed class PlotlyLoadContext(string folder) : AssemblyLoadContext("NotebookLib.Charts")
{
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        var path = Path.Combine(folder, assemblyName.Name + ".dll");
        return File.Exists(path) ? LoadFromAssemblyPath(path) : null;
    }
}
