using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>What native code keeps for later, on Linux: freed pages of glibc's heap and oneDNN's compiled kernels. Elsewhere nothing happens.</summary>
public static partial class MemoryReturn
{
    // Each size of a batch has kernels of its own, some 0.2 MB each; no micro-batch has more than a few dozen. oneDNN keeps 1,024.
    private const int KernelsKept = 256;

    /// <summary>Gives all free pages back to the system (<c>malloc_trim(0)</c>).</summary>
    /// <returns>False where there is no such call.</returns>
    public static bool Trim() => IsGlibc && malloc_trim(0) >= 0;

    /// <summary>
    /// Has oneDNN keep fewer compiled kernels, unless the environment says how many (<c>ONEDNN_PRIMITIVE_CACHE_CAPACITY</c>): sentences come in so many sizes that its cache
    /// would fill with 200 MB of kernels that are never used again. To be called before libtorch is loaded.
    /// </summary>
    internal static void LimitKernelCache()
    {
        if (IsGlibc)
        {
            _ = setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KernelsKept.ToString(System.Globalization.CultureInfo.InvariantCulture), 0);
        }
    }

    private static bool IsGlibc => OperatingSystem.IsLinux() && RuntimeInformation.RuntimeIdentifier.IndexOf("musl", StringComparison.Ordinal) < 0;

    [LibraryImport("libc.so.6")]
    private static partial int malloc_trim(nuint keep);

    // .NET's own environment is a copy that native code does not see.
    [LibraryImport("libc.so.6", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
