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

    private static long? FromStatus(string field)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var line = File.ReadLines("/proc/self/status").FirstOrDefault(text => text.StartsWith(field, StringComparison.Ordinal));
        return line is null
            ? null : 1024 * long.Parse(line.AsSpan(field.Length, line.Length - field.Length - "kB".Length), NumberStyles.Integer, CultureInfo.InvariantCulture);
    }
}
