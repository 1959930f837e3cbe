using System.Reflection;

namespace NotebookLib.Platform;

/// <summary>What a result comes from, as cards, records and requests name it.</summary>
internal static class Provenance
{
    /// <summary>This library's version in three numbers.</summary>
    public static string Version { get; } = typeof(Provenance).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>The git commit of this build, whole; null outside of a repository. The SDK appends it to the version behind a plus.</summary>
    public static string? Commit { get; } = Informational(typeof(Provenance)).Split('+') is [_, var commit, ..] ? commit : null;

    /// <summary>The processor's name; null where the system does not tell.</summary>
    public static string? Processor { get; } = !File.Exists("/proc/cpuinfo") ? null : File.ReadLines("/proc/cpuinfo")
        .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim();

    /// <summary>The version of a type's assembly, as its package has it.</summary>
    public static string VersionOf(Type type) => Informational(type).Split('+')[0];

    private static string Informational(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? type.Assembly.GetName().Version?.ToString()
            ?? "unknown";
}
