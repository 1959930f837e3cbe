using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>Freed pages of glibc's heap, on Linux. Elsewhere nothing happens.</summary>
internal static partial class MemoryReturn
{
    /// <summary>Gives all free pages back to the system (<c>malloc_trim(0)</c>).</summary>
    /// <returns>False where there is no such call.</returns>
    public static bool Trim() => NativeEnvironment.IsGlibc && malloc_trim(0) >= 0;

    [LibraryImport("libc.so.6")]
    private static partial int malloc_trim(nuint keep);
}
