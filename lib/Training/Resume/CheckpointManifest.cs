using System.Security.Cryptography;
using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>The list of a checkpoint's files with their lengths and SHA-256 sums: what tells a whole checkpoint from a damaged or partial one.</summary>
internal static class CheckpointManifest
{
    public const string FileName = "manifest.json";
    private const long LargestManifest = 4 << 20;

    /// <summary>Forces every file below a folder to disk and lists them.</summary>
    public static void Write(string folder)
    {
        var entries = new SortedDictionary<string, Entry>(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1 << 20);
            file.Flush(flushToDisk: true);
            entries.Add(Path.GetRelativePath(folder, path).Replace('\\', '/'), new(file.Length, Convert.ToHexStringLower(SHA256.HashData(file))));
        }

        AtomicFile.WriteText(Path.Combine(folder, FileName), JsonSerializer.Serialize(new Manifest(1, entries), StateJson.Options));
    }

    /// <summary>Compares a folder with its manifest.</summary>
    /// <returns>What is wrong, or null for a whole checkpoint.</returns>
    public static string? FindDamage(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return $"it has no {FileName}, so it was not finished";
        }

        if (new FileInfo(path).Length > LargestManifest || Read(path) is not { } manifest)
        {
            return $"its {FileName} is not readable";
        }

        return manifest.Files.Select(pair => FindDamage(folder, pair.Key, pair.Value)).FirstOrDefault(damage => damage is not null);
    }

    private static Manifest? Read(string path)
    {
        try
        {
            return StrictJson.Deserialize<Manifest>(File.ReadAllBytes(path), StateJson.Options) is { Files.Count: > 0 } manifest
                && !manifest.Files.ContainsValue(null!) ? manifest : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? FindDamage(string folder, string name, Entry expected)
    {
        if (InnerPath.Of(folder, name) is not { } path)
        {
            return $"its manifest names {JsonSerializer.Serialize(name)}, which is no file inside";
        }

        if (!File.Exists(path))
        {
            return $"{name} is missing";
        }

        using var file = File.OpenRead(path);
        return file.Length != expected.Bytes ? $"{name} has {file.Length} bytes, expected {expected.Bytes}"
            : Convert.ToHexStringLower(SHA256.HashData(file)) != expected.Sha256 ? $"{name} has another SHA-256 sum than when it was written"
            : null;
    }

    private sealed record Manifest(int Version, SortedDictionary<string, Entry> Files);

    private sealed record Entry(long Bytes, string Sha256);
}
