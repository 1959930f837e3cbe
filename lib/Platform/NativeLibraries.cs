using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>
/// Loads libtorch and TorchSharp's native half by full path, so that every host finds them: a plain process, <c>dotnet test</c>,
/// a Roslyn script host and .NET Interactive (which does not search <c>runtimes/&lt;rid&gt;/native</c> after <c>#r</c>).
/// </summary>
public static class NativeLibraries
{
    private static readonly Lazy<Outcome> Loaded = new(Load);

    /// <summary>The folder that the native libraries were loaded from.</summary>
    /// <exception cref="PlatformNotSupportedException">The native libraries could not be loaded; the message says what to install.</exception>
    public static string Folder
    {
        get
        {
            EnsureLoaded();
            return Loaded.Value.Folder!;
        }
    }

    /// <summary>Loads the native libraries once per process; later calls cost nothing.</summary>
    /// <exception cref="PlatformNotSupportedException">They are missing or ask for a newer system; the message says what to install.</exception>
    public static void EnsureLoaded()
    {
        if (Loaded.Value.Problem is { } problem)
        {
            throw new PlatformNotSupportedException(problem);
        }
    }

    // TorchSharp's own loader runs in a static constructor and reports any failure as "libtorch-cpu is not referenced": ours must come first,
    // and a module initializer is the only place that comes before every use of the library.
#pragma warning disable CA2255 // Meant for application code; see above.
    [ModuleInitializer]
    internal static void LoadBeforeAnythingElse() => _ = Loaded.Value;
#pragma warning restore CA2255

    private static Outcome Load()
    {
        var folders = CandidateFolders().Distinct().ToList();
        var folder = folders.FirstOrDefault(f => File.Exists(Path.Combine(f, FileName("LibTorchSharp"))));
        if (folder is null)
        {
            return new(null, $"{FileName("LibTorchSharp")} was not found; looked in {string.Join(", ", folders)}. "
                + "Build the library first (dotnet build NotebookLib.csproj): it puts its native parts into bin/lib.");
        }

        try
        {
            NativeEnvironment.Prepare();
            // The order matters: LibTorchSharp names the others by soname, which resolves to what is loaded already.
            foreach (var name in (string[])["torch_cpu", "torch_cuda", "LibTorchSharp"])
            {
                var path = Path.Combine(folder, FileName(name));
                if (File.Exists(path))
                {
                    NativeLibrary.Load(path);
                }
            }

            return new(folder, null);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            return new(null, $"The native libraries in {folder} could not be loaded on {RuntimeInformation.RuntimeIdentifier}: {error.Message.Trim()} "
                + "On Linux they need glibc 2.28, libstdc++ 6 and libgomp (Debian: apt-get install libstdc++6 libgomp1); "
                + "on Windows the Visual C++ runtime 2022. Rebuild NotebookLib.csproj after installing.");
        }
    }

    /// <summary>Beside the library (flat or portable layout), then in its sibling bin/lib: only that output folder holds libtorch and TorchSharp's native half.</summary>
    private static IEnumerable<string> CandidateFolders()
    {
        var own = Path.GetDirectoryName(typeof(NativeLibraries).Assembly.Location) is { Length: > 0 } location ? location : AppContext.BaseDirectory;
        foreach (var root in (string[])[own, Path.GetFullPath(Path.Combine(own, "..", "lib"))])
        {
            yield return root;
            yield return Path.Combine(root, "runtimes", PortableRuntimeIdentifier, "native");
        }
    }

    private static string PortableRuntimeIdentifier =>
        OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-arm64" : "linux-x64";

    private static string FileName(string name) =>
        OperatingSystem.IsWindows() ? name + ".dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    private sealed record Outcome(string? Folder, string? Problem);
}
