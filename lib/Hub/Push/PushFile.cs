using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace NotebookLib.Hub;

/// <summary>A file on its way to the Hub.</summary>
/// <param name="Name">Its name in the repository.</param>
/// <param name="Path">Where it lies here.</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="Sha256">Its hash, by which the Hub keeps large files.</param>
internal sealed record PushFile(string Name, string Path, long SizeBytes, string Sha256)
{
    // The Hub looks at so many bytes to tell text from the rest.
    private const int SampleBytes = 512;

    /// <summary>What a model's folder holds; nothing else leaves this machine.</summary>
    private static readonly string[] Extensions = [".safetensors", ".json", ".model", ".md", ".svg", ".csv"];

    /// <summary>The files of a folder that belong to a model or adapter.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">The folder holds no such file.</exception>
    public static IReadOnlyList<PushFile> Of(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new DirectoryNotFoundException($"{folder}: no such folder; expected the folder of a saved model or adapter");
        }

        var paths = Directory.EnumerateFiles(folder)
            .Where(path => !System.IO.Path.GetFileName(path).StartsWith('.') && Extensions.Contains(System.IO.Path.GetExtension(path)))
            .Order(StringComparer.Ordinal)
            .ToList();
        return paths.Any(path => path.EndsWith(".safetensors", StringComparison.Ordinal))
            ? [.. paths.Select(Read)]
            : throw new InvalidDataException($"{folder}: no .safetensors file; expected the folder of a saved model or adapter");
    }

    /// <summary>The entry of a preupload request.</summary>
    public JsonObject Announcement()
    {
        using var file = File.OpenRead(Path);
        var sample = new byte[Math.Min(SampleBytes, SizeBytes)];
        file.ReadExactly(sample);
        return new JsonObject { ["path"] = Name, ["sample"] = Convert.ToBase64String(sample), ["size"] = SizeBytes };
    }

    private static PushFile Read(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        return new PushFile(System.IO.Path.GetFileName(path), path, file.Length, Convert.ToHexStringLower(SHA256.HashData(file)));
    }
}
