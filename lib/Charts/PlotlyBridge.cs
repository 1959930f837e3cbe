using System.Reflection;
using System.Runtime.Loader;
using System.Text.Json;

namespace NotebookLib.Charts;

/// <summary>
/// The way into Plotly.NET's load context and back. A second copy of this very assembly is loaded there, so that <see cref="PlotlyFigures"/> is ordinary typed
/// code; only strings cross: the figure as JSON one way, Plotly's JSON the other.
/// </summary>
internal static class PlotlyBridge
{
    private static readonly Lazy<Doors> Opened = new(Open);

    /// <summary>Makes Plotly's JSON (data, layout) of a figure.</summary>
    public static string ToPlotlyJson(Figure figure) => Opened.Value.ToPlotlyJson(JsonSerializer.Serialize(figure));

    /// <summary>The text of plotly.js as Plotly.NET carries it, 3.6 MB.</summary>
    public static string ScriptText() => Opened.Value.ScriptText();

    private static Doors Open()
    {
        var own = typeof(PlotlyBridge).Assembly;
        var folder = Path.GetDirectoryName(own.Location) is { Length: > 0 } location ? location : AppContext.BaseDirectory;
        var context = new PlotlyLoadContext(folder);
        var twin = context.LoadFromAssemblyPath(Path.Combine(folder, own.GetName().Name + ".dll"));
        var figures = twin.GetType(typeof(PlotlyFigures).FullName!, throwOnError: true)!;
        return new(Door<Func<string, string>>(figures, nameof(PlotlyFigures.ToPlotlyJson)), Door<Func<string>>(figures, nameof(PlotlyFigures.ScriptText)));
    }

    private static T Door<T>(Type figures, string method) where T : Delegate =>
        figures.GetMethod(method, BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<T>();

    private sealed record Doors(Func<string, string> ToPlotlyJson, Func<string> ScriptText);
}

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
