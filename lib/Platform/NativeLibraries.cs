using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>
/// Loads libtorch and TorchSharp's native half by full path, so that every host finds them: a plain process, <c>dotnet test</c>,
/// a Roslyn script host and .NET Interactive (which does not search <c>runtimes/&lt;rid&gt;/native</c> after <c>#r</c>).
/// </summary>
public static class NativeLibraries
{
    /// <summary>
    /// The environment variable that names a folder with a libtorch installed elsewhere, for instance PyTorch's <c>torch/lib</c>. It wins over the build's
    /// (MSBuild's <c>TorchLibrary</c>, which lies beside the library as <see cref="SettingFile"/>).
    /// </summary>
    public const string Setting = "TORCH_LIBRARY";

    private const string SettingFile = "torch-library.txt";

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

    /// <summary>The folder that libtorch was loaded from: <see cref="Folder"/>, unless <see cref="Setting"/> or the build names another.</summary>
    /// <inheritdoc cref="Folder" path="/exception"/>
    public static string TorchFolder
    {
        get
        {
            EnsureLoaded();
            return Loaded.Value.TorchFolder!;
        }
    }

    /// <summary>Version of libtorch, and its folder where that is not the build's own.</summary>
    /// <inheritdoc cref="Folder" path="/exception"/>
    public static string TorchVersion => $"libtorch {TorchSharp.torch.__version__}{(TorchFolder == Folder ? "" : $" from {TorchFolder}")}";

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
            return Outcome.Failed($"{FileName("LibTorchSharp")} was not found; looked in {string.Join(", ", folders)}. "
                + "A project that references the package TorchSharp 0.107.0 has it beside itself; in this repository `dotnet build NotebookLib.csproj` "
                    + "puts it into bin/lib.");
        }

        var foreign = ForeignTorch(folders);
        var (torchFolder, origin) = (foreign?.Folder ?? folder, foreign?.Origin);
        if (origin is not null && !File.Exists(Path.Combine(torchFolder, FileName("torch_cpu"))))
        {
            return Outcome.Failed($"{origin} names {torchFolder}, which holds no {FileName("torch_cpu")}; expected the folder of libtorch's libraries. "
                + """For PyTorch's: python3 -c "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))".""");
        }

        if (origin is null && !File.Exists(Path.Combine(torchFolder, FileName("torch_cpu"))))
        {
            return Outcome.Failed($"libtorch was not found: {folder} holds {FileName("LibTorchSharp")}, but no {FileName("torch_cpu")}. "
                + $"Add the package libtorch-cpu-{PortableRuntimeIdentifier}, version 2.10.0, "
                + $"to the project of the program (with a CUDA card libtorch-cuda-12.8-linux-x64 or -win-x64), "
                    + $"or name the folder of an installed libtorch in {Setting}.");
        }

        try
        {
            NativeEnvironment.Prepare();
            // The order matters: LibTorchSharp names the others by soname, which resolves to what is loaded already.
            foreach (var path in (string[])[.. TorchNames.Select(name => Path.Combine(torchFolder, FileName(name))),
                Path.Combine(folder, FileName("LibTorchSharp"))])
            {
                if (File.Exists(path))
                {
                    NativeLibrary.Load(path);
                }
            }

            return new(folder, torchFolder, null);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            return Outcome.Failed($"The native libraries in {folder}{(origin is null ? "" : $", with libtorch in {torchFolder} ({origin}),")} "
                + "could not be loaded on "
                + $"{RuntimeInformation.RuntimeIdentifier}: {error.Message.Trim()} "
                + (origin is null
                    ? "On Linux they need glibc 2.28, libstdc++ 6 and libgomp (Debian: apt-get install libstdc++6 libgomp1); "
                        + "on Windows the Visual C++ runtime 2022. "
                        + "Rebuild NotebookLib.csproj after installing."
                    : "libtorch 2.10 and 2.11 fit; libraries that it needs itself are found beside it, or through LD_LIBRARY_PATH."));
        }
    }

    // A foreign libtorch.so must come from its own folder too, or the linker would take another's.
    private static string[] TorchNames => ["c10", "torch_cpu", "torch_cuda", "torch"];

    /// <summary>The folder that was named for libtorch, and by what.</summary>
    private static (string Folder, string Origin)? ForeignTorch(IEnumerable<string> folders)
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } named)
        {
            return (Path.GetFullPath(named), $"The environment variable {Setting}");
        }

        var file = folders.Select(folder => Path.Combine(folder, SettingFile)).FirstOrDefault(File.Exists);
        return file is not null && File.ReadAllText(file).Trim() is { Length: > 0 } built
            ? (Path.GetFullPath(built), $"The build's setting TorchLibrary, in {file},") : null;
    }

    /// <summary>
    /// Beside the library (flat or portable layout), where the host says that native parts lie (a single file unpacks them), in the sibling bin/lib, and where
    /// the library was built: programs that reference the project or the DLL have no copy of their own.
    /// </summary>
    private static IEnumerable<string> CandidateFolders()
    {
        var own = Path.GetDirectoryName(typeof(NativeLibraries).Assembly.Location) is { Length: > 0 } location ? location : AppContext.BaseDirectory;
        var told = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var built = typeof(NativeLibraries).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Where(pair => pair.Key == "BuiltInto")
            .Select(pair => pair.Value!);
        foreach (var root in (string[])[own, AppContext.BaseDirectory, Path.GetFullPath(Path.Combine(own, "..", "lib")), .. built])
        {
            yield return Path.TrimEndingDirectorySeparator(root);
            yield return Path.Combine(root, "runtimes", PortableRuntimeIdentifier, "native");
        }

        foreach (var folder in told)
        {
            yield return Path.TrimEndingDirectorySeparator(folder);
        }
    }

    private static string PortableRuntimeIdentifier =>
        OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-arm64" : "linux-x64";

    private static string FileName(string name) =>
        OperatingSystem.IsWindows() ? name + ".dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    private sealed record Outcome(string? Folder, string? TorchFolder, string? Problem)
    {
        public static Outcome Failed(string problem) => new(null, null, problem);
    }
}
