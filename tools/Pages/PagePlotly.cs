using System.Runtime.Loader;

namespace NotebookRunner.Pages;

/// <summary>plotly.js, as the library's Plotly.NET carries it: read once, put into a page once.</summary>
internal static class PagePlotly
{
    private static readonly Lazy<string?> Cached = new(Read);

    /// <summary>A script element that defines <c>window.Plotly</c>, or null when the library's folder has no Plotly.NET.dll.</summary>
    public static string? Element => Cached.Value;

    private static string? Read()
    {
        var path = Path.Combine(LibraryFolder.Location, "Plotly.NET.dll");
        if (!File.Exists(path))
        {
            return null;
        }

        var context = new AssemblyLoadContext("plotly.js", isCollectible: true);
        try
        {
            using var file = File.OpenRead(path);
            var assembly = context.LoadFromStream(file);
            var name = assembly.GetManifestResourceNames()
                .Single(name => name.EndsWith(".min.js", StringComparison.Ordinal) && name.Contains("plotly", StringComparison.Ordinal));
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);

            // Inside a function without module system (Jupyter brings require.js), so that the script always ends up as window.Plotly.
            var script = reader.ReadToEnd().Replace("</script", "<\\/script", StringComparison.OrdinalIgnoreCase);
            return $"<script>(function(define,module,exports){{{script}\n}}).call(window);</script>";
        }
        finally
        {
            context.Unload();
        }
    }
}
