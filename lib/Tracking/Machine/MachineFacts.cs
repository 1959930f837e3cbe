using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace NotebookLib.Tracking;

/// <summary>What the machine and the runtime are, in the names of wandb-metadata.json (WANDB.md §6). No paths: they would name the user.</summary>
internal static class MachineFacts
{
    /// <summary>The facts as JSON members.</summary>
    /// <param name="startedAt">When the run began.</param>
    /// <param name="writerId">This writer.</param>
    public static IReadOnlyDictionary<string, JsonElement> Collect(DateTimeOffset startedAt, string writerId)
    {
        var facts = new Dictionary<string, object>
        {
            ["os"] = RuntimeInformation.OSDescription,
            ["runtime"] = RuntimeInformation.FrameworkDescription,
            ["startedAt"] = startedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
            ["program"] = Program(),
            ["host"] = Environment.MachineName,
            ["cpu_count"] = Environment.ProcessorCount,
            ["cpu_count_logical"] = Environment.ProcessorCount,
            ["memory"] = new { total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes.ToString(CultureInfo.InvariantCulture) },
            ["writerId"] = writerId,
        };
        if (CpuModel() is { } model)
        {
            facts["cpu"] = new { model };
        }

        return facts.ToDictionary(fact => fact.Key, fact => JsonSerializer.SerializeToElement(fact.Value));
    }

    /// <summary>The program's file name.</summary>
    public static string Program() => Path.GetFileName(Environment.GetCommandLineArgs().FirstOrDefault() ?? "");

    private static string? CpuModel() => !File.Exists("/proc/cpuinfo") ? null : File.ReadLines("/proc/cpuinfo")
        .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[^1].Trim();
}
