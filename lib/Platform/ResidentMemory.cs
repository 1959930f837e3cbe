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
    /// <param name="groups">The folder in which the kernel shows control groups, of the first or the second version.</param>
    /// <param name="own">The file that tells this process's groups.</param>
    /// <returns>The bytes, and whether it is the container that sets them.</returns>
    public static (long Bytes, bool IsContainers) Available(string groups = "/sys/fs/cgroup", string own = "/proc/self/cgroup")
    {
        var machine = FromFile("/proc/meminfo", "MemAvailable:") ?? Math.Max(0, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - CurrentBytes);
        return GroupsOf(groups, own).Select(FreeInGroup).Min() is { } free && free < machine ? (free, true) : (machine, false);
    }

    /// <summary>The process's groups and all those around them: each may have a limit. A container shows its own as the outermost.</summary>
    private static IEnumerable<string> GroupsOf(string groups, string own)
    {
        yield return groups;
        // cgroups(7): number:controllers:path, and 0::path in the second version.
        foreach (var parts in File.Exists(own) ? File.ReadLines(own).Select(line => line.Split(':', 3)) : [])
        {
            if (parts.Length != 3 || (parts[1].Length > 0 && !parts[1].Split(',').Contains("memory")))
            {
                continue;
            }

            var mount = parts[1].Length == 0 ? groups : Path.Combine(groups, "memory");
            var group = mount + parts[2].TrimEnd('/');
            while (group is not null && group.Length >= mount.Length)
            {
                yield return group;
                group = Path.GetDirectoryName(group);
            }
        }
    }

    private static long? FreeInGroup(string folder)
    {
        try
        {
            // No such file at the root of a machine; "max", or a number beyond all memory, where there is no limit. Cached files go when memory is needed.
            var isSecond = File.Exists(Path.Combine(folder, "memory.max"));
            var (limit, usage, cache) = isSecond ? ("memory.max", "memory.current", "inactive_file ")
                : ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");
            limit = Path.Combine(folder, limit);
            if (!File.Exists(limit) || !long.TryParse(File.ReadAllText(limit), NumberStyles.Integer, CultureInfo.InvariantCulture, out var most))
            {
                return null;
            }

            var used = long.Parse(File.ReadAllText(Path.Combine(folder, usage)), CultureInfo.InvariantCulture);
            var cached = File.ReadLines(Path.Combine(folder, "memory.stat")).FirstOrDefault(line => line.StartsWith(cache, StringComparison.Ordinal));
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
