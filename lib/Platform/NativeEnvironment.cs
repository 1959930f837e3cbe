using System.Globalization;
using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>
/// What native libraries read from the environment once, when they are loaded. Whatever the user has set stays as it is. Linux with glibc; elsewhere nothing
/// happens.
/// </summary>
internal static partial class NativeEnvironment
{
    // Each size of a batch has kernels of its own, some 0.2 MB each; no micro-batch has more than a few dozen. oneDNN keeps 1,024.
    private const int KernelsKept = 256;

    // glibc's own limits of what lies in its heap, and 1 GB of freed memory at its end that stays.
    private const int MapThreshold = -3, LargestInHeap = 32 << 20, TrimThreshold = -1, KeptAtEnd = 1 << 30;

    // libgomp turns 300,000 times, some milliseconds, before a thread that waits for the others goes to sleep.
    private const int SpinsBeforeSleep = 3000;

    /// <summary>Whether the C library is glibc.</summary>
    public static bool IsGlibc => OperatingSystem.IsLinux() && RuntimeInformation.RuntimeIdentifier.IndexOf("musl", StringComparison.Ordinal) < 0;

    /// <summary>
    /// Has oneDNN keep fewer compiled kernels: sentences come in so many sizes that its cache would fill with 200 MB of kernels that are never used again. Has
    /// OpenMP's threads sleep sooner where they wait for each other: on a core that something else wants too, one turns in vain while the other cannot go on,
    /// and two trainings at once took four times as long each, now twice; alone, the time is the same. Has glibc keep freed tensors' memory, which it would
    /// give back after each pass and ask for again, page by page (<see cref="HeapTrimmer"/> sees to what becomes too much). To be called before libtorch is
    /// loaded.
    /// </summary>
    public static void Prepare()
    {
        if (!IsGlibc)
        {
            return;
        }

        Default("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KernelsKept);
        if (!IsHeapSet)
        {
            _ = mallopt(MapThreshold, LargestInHeap);
            _ = mallopt(TrimThreshold, KeptAtEnd);
        }

        // The count would overrule the policy.
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
        {
            Default("GOMP_SPINCOUNT", SpinsBeforeSleep);
        }
    }

    // The user's own settings: of the variables, and of what has replaced them.
    private static bool IsHeapSet => Environment.GetEnvironmentVariables().Keys.Cast<string>().Any(name =>
        name.StartsWith("MALLOC_", StringComparison.Ordinal) || name == "GLIBC_TUNABLES");

    private static void Default(string name, int value) => _ = setenv(name, value.ToString(CultureInfo.InvariantCulture), overwrite: 0);

    [LibraryImport("libc.so.6")]
    private static partial int mallopt(int parameter, int value);

    // .NET's own environment is a copy that native code does not see.
    [LibraryImport("libc.so.6", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
