using System.Runtime.CompilerServices;
using NotebookLib.Platform;

namespace NotebookLib.Tests;

/// <summary>Loads libtorch before any test: a test that names a torch type before the library would otherwise meet TorchSharp's own loader first.</summary>
internal static class NativeParts
{
#pragma warning disable CA2255 // Meant for application code; a test assembly has no other start.
    [ModuleInitializer]
    internal static void Load() => NativeLibraries.EnsureLoaded();
#pragma warning restore CA2255
}
