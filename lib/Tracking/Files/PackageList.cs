using System.Text.Json;

namespace NotebookLib.Tracking;

/// <summary>The packages behind the program, one "Name==Version" per line as in requirements.txt.</summary>
internal static class PackageList
{
    /// <summary>From the library's deps.json; without it, from the assemblies that are loaded.</summary>
    public static string Text()
    {
        var assembly = typeof(PackageList).Assembly;
        var manifest = Path.ChangeExtension(assembly.Location, ".deps.json");
        var packages = assembly.Location.Length > 0 && File.Exists(manifest) ? FromManifest(File.ReadAllText(manifest)) : FromAssemblies();
        return string.Concat(packages.Distinct().Order(StringComparer.OrdinalIgnoreCase).Select(package => package + "\n"));
    }

    private static IEnumerable<string> FromManifest(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.TryGetProperty("libraries", out var libraries)
            ? [.. libraries.EnumerateObject().Select(library => library.Name.Replace("/", "==", StringComparison.Ordinal))]
            : [];
    }

    private static IEnumerable<string> FromAssemblies() => AppDomain.CurrentDomain.GetAssemblies()
        .Where(assembly => !assembly.IsDynamic)
        .Select(assembly => assembly.GetName())
        .Select(name => $"{name.Name}=={name.Version}");
}
