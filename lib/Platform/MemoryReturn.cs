using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>glibc's allocator on Linux: when freed tensors' memory is kept for the next step and when it goes back to the system. Elsewhere nothing happens.</summary>
public static partial class MemoryReturn
{
    // malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX.
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MmapThreshold = -3;
    private const int MmapMax = -4;

    /// <summary>Gives all free pages back to the system (<c>malloc_trim(0)</c>).</summary>
    /// <returns>False where there is no such call.</returns>
    public static bool Trim() => IsGlibc && malloc_trim(0) >= 0;

    internal static bool Set(int option, int value) => IsGlibc && mallopt(option, value) == 1;

    private static bool IsGlibc => OperatingSystem.IsLinux() && RuntimeInformation.RuntimeIdentifier.IndexOf("musl", StringComparison.Ordinal) < 0;

    [LibraryImport("libc.so.6")]
    private static partial int malloc_trim(nuint keep);

    [LibraryImport("libc.so.6")]
    private static partial int mallopt(int option, int value);
}
