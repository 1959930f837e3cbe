using System.Diagnostics;
using System.Globalization;

namespace NotebookLib.Platform;

/// <summary>How much physical memory this process holds, native tensors included (the garbage collector does not see those).</summary>
internal static class ResidentMemory
{
    /// <summary>Bytes resident now.</summary>
    public static long CurrentBytes => FromStatus("VmRSS:") ?? Process.GetCurrentProcess().WorkingSet64;

    /// <summary>The largest number of bytes resident so far, since the process began or since <see cref="TryResetPeak"/>.</summary>
    public static long PeakBytes => FromStatus("VmHWM:") ?? Process.GetCurrentProcess().PeakWorkingSet64;

    /// <summary>Starts a new peak at what is resident now (Linux only).</summary>
    /// <returns>False where the system has no such switch; the peak then counts from the start of the process.</returns>
    public static bool TryResetPeak()
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5"); // proc(5): 5 resets VmHWM.
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Bytes that this process could still take: what the machine has free, or what its container's limit leaves.</summary>
    /// <param name="container">The folder in which the kernel shows the container's limit (cgroup v2).</param>
    /// <returns>The bytes, and whether it is the container that sets them.</returns>
    public static (long Bytes, bool IsContainers) Available(string container = "/sys/fs/cgroup")
    {
        var machine = FromFile("/proc/meminfo", "MemAvailable:") ?? Math.Max(0, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - CurrentBytes);
        return FreeInContainer(container) is { } free && free < machine ? (free, true) : (machine, false);
    }

    private static long? FreeInContainer(string folder)
    {
        try
        {
            // "max" where there is no limit; the root of a machine has no such file. Cached files go when somebody needs their memory.
            var limit = Path.Combine(folder, "memory.max");
            if (!File.Exists(limit) || !long.TryParse(File.ReadAllText(limit), NumberStyles.Integer, CultureInfo.InvariantCulture, out var most))
            {
                return null;
            }

            var used = long.Parse(File.ReadAllText(Path.Combine(folder, "memory.current")), CultureInfo.InvariantCulture);
            var cached = File.ReadLines(Path.Combine(folder, "memory.stat"))
                .FirstOrDefault(line => line.StartsWith("inactive_file ", StringComparison.Ordinal));
            return Math.Max(0, most - used + (cached is null ? 0 : long.Parse(cached.Split(' ')[1], CultureInfo.InvariantCulture)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    }

    private static long? FromStatus(string field) => FromFile("/proc/self/status", field);

    private static long? FromFile(string path, string field)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var line = File.ReadLines(path).FirstOrDefault(text => text.StartsWith(field, StringComparison.Ordinal));
        return line is null
            ? null : 1024 * long.Parse(line.AsSpan(field.Length, line.Length - field.Length - "kB".Length), NumberStyles.Integer, CultureInfo.InvariantCulture);
    }
}
