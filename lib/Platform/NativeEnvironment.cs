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

    // libgomp turns 300,000 times, some milliseconds, before a thread that waits for the others goes to sleep.
    private const int SpinsBeforeSleep = 3000;

    /// <summary>Whether the C library is glibc.</summary>
    public static bool IsGlibc => OperatingSystem.IsLinux() && RuntimeInformation.RuntimeIdentifier.IndexOf("musl", StringComparison.Ordinal) < 0;

    /// <summary>
    /// Has oneDNN keep fewer compiled kernels: sentences come in so many sizes that its cache would fill with 200 MB of kernels that are never used again. Has
    /// OpenMP's threads sleep sooner where they wait for each other: on a core that something else wants too, one turns in vain while the other cannot go on,
    /// and two trainings at once took four times as long each, now twice; alone, the time is the same. To be called before libtorch is loaded.
    /// </summary>
    public static void Prepare()
    {
        if (!IsGlibc)
        {
            return;
        }

        Default("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KernelsKept);
        // The count would overrule the policy.
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
        {
            Default("GOMP_SPINCOUNT", SpinsBeforeSleep);
        }
    }

    private static void Default(string name, int value) => _ = setenv(name, value.ToString(CultureInfo.InvariantCulture), overwrite: 0);

    // .NET's own environment is a copy that native code does not see.
    [LibraryImport("libc.so.6", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
