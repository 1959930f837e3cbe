using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Tracking;

/// <summary>A file of an artifact with its digest.</summary>
/// <param name="Name">Its path in the artifact.</param>
/// <param name="Digest">Base64 of the MD5 of its bytes.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Path">Where it is.</param>
internal sealed record ArtifactEntry(string Name, string Digest, long Size, string Path);

/// <summary>The list of an artifact's files, and the digest that names its content (WANDB.md §7).</summary>
internal static class ArtifactManifest
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Lower-case hex MD5 over "wandb-artifact-manifest-v1\n" and, sorted by path, "path:digest\n" for each file.</summary>
    public static string Digest(IEnumerable<ArtifactEntry> entries)
    {
        var text = new StringBuilder("wandb-artifact-manifest-v1\n");
        foreach (var entry in entries.OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            text.Append(entry.Name).Append(':').Append(entry.Digest).Append('\n');
        }

        return Convert.ToHexStringLower(Md5(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>The manifest file's text; the user's own paths are left out.</summary>
    /// <param name="entries">The files.</param>
    /// <param name="birthIds">For each file the artifact that it first came with, as the server says.</param>
    public static string ToJson(IEnumerable<ArtifactEntry> entries, IReadOnlyDictionary<string, string> birthIds) => new JsonObject
    {
        ["version"] = 1,
        ["storagePolicy"] = "wandb-storage-policy-v1",
        ["storagePolicyConfig"] = new JsonObject { ["storageLayout"] = "V2" },
        ["contents"] = new JsonObject(entries.Select(entry => KeyValuePair.Create(entry.Name, (JsonNode?)new JsonObject
        {
            ["digest"] = entry.Digest,
            ["birthArtifactID"] = birthIds[entry.Name],
            ["size"] = entry.Size,
        }))),
    }.ToJsonString(Options);

    /// <summary>Base64 of the MD5 of a file.</summary>
    public static async Task<string> FileDigestAsync(string path, CancellationToken cancel)
    {
        await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 20, useAsync: true);
#pragma warning disable CA5351 // MD5 is W&B's content address, not a protection.
        return Convert.ToBase64String(await MD5.HashDataAsync(stream, cancel).ConfigureAwait(false));
#pragma warning restore CA5351
    }

    private static byte[] Md5(byte[] bytes)
    {
#pragma warning disable CA5351 // MD5 is W&B's content address, not a protection.
        return MD5.HashData(bytes);
#pragma warning restore CA5351
    }
}
