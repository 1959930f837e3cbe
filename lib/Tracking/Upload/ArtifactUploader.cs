using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>A file of an artifact with its digest.</summary>
/// <param name="Name">Its path in the artifact.</param>
/// <param name="Digest">Base64 of the MD5 of its bytes.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Path">Where it is.</param>
internal sealed record ArtifactEntry(string Name, string Digest, long Size, string Path);

/// <summary>
/// Uploads one artifact: create, manifest, files that the server lacks, manifest again, commit. Doing it twice gives one version.
/// </summary>
/// <param name="api">The server.</param>
/// <param name="folder">The run's folder, with the staged files.</param>
/// <param name="run">The run's place on the server.</param>
internal sealed class ArtifactUploader(WandbApi api, RunFolder folder, RunPlace run)
{
    private const string ManifestName = "wandb_manifest.json";
    private static readonly JsonSerializerOptions ManifestOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Lower-case hex MD5 over "wandb-artifact-manifest-v1\n" and, sorted by path, "path:digest\n" for each file.</summary>
    public static string DigestOf(IEnumerable<ArtifactEntry> entries)
    {
        var text = new StringBuilder("wandb-artifact-manifest-v1\n");
        foreach (var entry in entries.OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            text.Append(entry.Name).Append(':').Append(entry.Digest).Append('\n');
        }

        return Convert.ToHexStringLower(Md5(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>Uploads it.</summary>
    /// <exception cref="TrackingException">Refused; or a staged file changed.</exception>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task UploadAsync(ArtifactRequest artifact, CancellationToken cancel)
    {
        var entries = await DigestsAsync(artifact, cancel).ConfigureAwait(false);
        await CheckTypeAsync(artifact, cancel).ConfigureAwait(false);
        var (id, latestId, isCommitted) = await CreateAsync(artifact, DigestOf(entries), cancel).ConfigureAwait(false);
        if (isCommitted)
        {
            return;
        }

        var (manifestId, _) = await CreateManifestAsync(id, latestId, "", upload: false, cancel).ConfigureAwait(false);
        var targets = await CreateFilesAsync(id, manifestId, entries, cancel).ConfigureAwait(false);
        foreach (var (entry, target) in entries.Zip(targets))
        {
            if (target.Upload.Url is not null)
            {
                await api.UploadAsync(target.Upload, entry.Path, cancel).ConfigureAwait(false);
            }
        }

        var births = entries.Zip(targets).ToDictionary(pair => pair.First.Name, pair => pair.Second.ArtifactId);
        await UploadManifestAsync(id, latestId, artifact, ManifestOf(entries, births), cancel).ConfigureAwait(false);
        await api.QueryAsync("CommitArtifact", GraphQLQueries.CommitArtifact, new() { ["artifactID"] = id }, cancel).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<ArtifactEntry>> DigestsAsync(ArtifactRequest artifact, CancellationToken cancel)
    {
        List<ArtifactEntry> entries = [];
        foreach (var file in artifact.Files.OrderBy(file => file.Name, StringComparer.Ordinal))
        {
            var path = InnerPath.Of(folder.FullPath, file.Staged)
                ?? throw new TrackingException(TrackingFault.Refused,
                    $"{file.Name}: the journal names \"{file.Staged}\", which lies outside of the run's folder");
            var now = new FileInfo(path);
            if (!now.Exists || now.Length != file.Size || now.LastWriteTimeUtc != file.ModifiedUtc)
            {
                throw new TrackingException(
                    TrackingFault.ChangedFile,
                    $"{file.Name}: expected {file.Size} bytes of {file.ModifiedUtc:O}, found "
                        + $"{(now.Exists ? $"{now.Length} bytes of {now.LastWriteTimeUtc:O}" : "no file")}; log the artifact again");
            }

            entries.Add(new ArtifactEntry(file.Name, await FileDigestAsync(path, cancel).ConfigureAwait(false), file.Size, path));
        }

        return entries;
    }

    /// <summary>A collection holds one type of artifact.</summary>
    private async Task CheckTypeAsync(ArtifactRequest artifact, CancellationToken cancel)
    {
        var variables = new JsonObject { ["entity"] = run.Entity, ["project"] = run.Project, ["name"] = artifact.Name + ":latest" };
        var data = await api.QueryAsync("ArtifactType", GraphQLQueries.ArtifactType, variables, cancel).ConfigureAwait(false);
        if (WandbApi.Text(WandbApi.Find(data, "project", "artifact", "artifactType"), "name") is { } type && type != artifact.Type)
        {
            throw new TrackingException(TrackingFault.Refused,
                $"the server has \"{artifact.Name}\" with type \"{type}\", expected \"{artifact.Type}\"; choose another name");
        }
    }

    private async Task<(string Id, string? LatestId, bool IsCommitted)> CreateAsync(ArtifactRequest artifact, string digest, CancellationToken cancel)
    {
        var input = new JsonObject
        {
            ["entityName"] = run.Entity,
            ["projectName"] = run.Project,
            ["runName"] = run.RunId,
            ["artifactTypeName"] = artifact.Type,
            ["artifactCollectionName"] = artifact.Name,
            ["artifactCollectionNames"] = null,
            ["clientID"] = artifact.ClientId,
            ["sequenceClientID"] = artifact.SequenceClientId,
            ["clientMutationId"] = null,
            ["digest"] = digest,
            ["digestAlgorithm"] = "MANIFEST_MD5",
            ["enableDigestDeduplication"] = true,
            ["description"] = artifact.Description,
            ["aliases"] = new JsonArray(
                [.. artifact.Aliases.Select(alias => new JsonObject { ["artifactCollectionName"] = artifact.Name, ["alias"] = alias })]),
            ["metadata"] = artifact.MetadataJson,
            ["historyStep"] = artifact.HistoryStep,
            ["labels"] = null,
            ["distributedID"] = null,
            ["storageRegion"] = null,
            ["ttlDurationSeconds"] = null,
        };
        var data = await api.QueryAsync("CreateArtifact", GraphQLQueries.CreateArtifact, new() { ["input"] = input }, cancel).ConfigureAwait(false);
        var answer = WandbApi.Find(data, "createArtifact", "artifact");
        return (
            WandbApi.Text(answer, "id") ?? throw Unusable("CreateArtifact"),
            WandbApi.Text(WandbApi.Find(answer, "artifactSequence", "latestArtifact"), "id"),
            WandbApi.Text(answer, "state") == "COMMITTED");
    }

    /// <summary>Asked twice with one name: the second replaces.</summary>
    private async Task<(string Id, UploadTarget Upload)> CreateManifestAsync(
        string artifactId, string? latestId, string digest, bool upload, CancellationToken cancel)
    {
        var variables = new JsonObject
        {
            ["artifactID"] = artifactId,
            ["baseArtifactID"] = latestId,
            ["name"] = ManifestName,
            ["digest"] = digest,
            ["entityName"] = run.Entity,
            ["projectName"] = run.Project,
            ["runName"] = run.RunId,
            ["manifestType"] = "FULL",
            ["includeUpload"] = upload,
        };
        var data = await api.QueryAsync("CreateArtifactManifest", GraphQLQueries.CreateArtifactManifest, variables, cancel).ConfigureAwait(false);
        var manifest = WandbApi.Find(data, "createArtifactManifest", "artifactManifest");
        var file = WandbApi.Find(manifest, "file");
        return (WandbApi.Text(manifest, "id") ?? throw Unusable("CreateArtifactManifest"),
            new UploadTarget(ManifestName, WandbApi.Text(file, "uploadUrl"), WandbApi.Texts(file?["uploadHeaders"])));
    }

    private async Task<IReadOnlyList<(string ArtifactId, UploadTarget Upload)>> CreateFilesAsync(
        string artifactId, string manifestId, IReadOnlyList<ArtifactEntry> entries, CancellationToken cancel)
    {
        var files = entries.Select(entry => new JsonObject
        {
            ["artifactID"] = artifactId,
            ["artifactManifestID"] = manifestId,
            ["name"] = entry.Name,
            ["md5"] = entry.Digest,
            ["uploadPartsInput"] = null,
            ["mimetype"] = null,
        });
        var input = new JsonObject
        {
            ["artifactFiles"] = new JsonArray([.. files]),
            ["storageLayout"] = "V2",
            ["clientMutationId"] = null,
            ["cloudRegionID"] = null,
        };
        var data = await api.QueryAsync("CreateArtifactFiles", GraphQLQueries.CreateArtifactFiles, new() { ["input"] = input }, cancel).ConfigureAwait(false);
        var edges = WandbApi.Find(data, "createArtifactFiles", "files")?["edges"] as JsonArray ?? [];
        var nodes = edges.Select(edge => WandbApi.Find(edge as JsonObject, "node")).OfType<JsonObject>().ToArray();
        return nodes.Length != entries.Count
            ? throw Unusable("CreateArtifactFiles")
            : [.. nodes.Zip(entries, (node, entry) => (
                WandbApi.Text(node["artifact"] as JsonObject, "id") ?? artifactId,
                new UploadTarget(entry.Name, WandbApi.Text(node, "uploadUrl"), WandbApi.Texts(node["uploadHeaders"]))))];
    }

    private async Task UploadManifestAsync(string artifactId, string? latestId, ArtifactRequest artifact, string json, CancellationToken cancel)
    {
        var path = Path.Combine(folder.Artifacts, artifact.ClientId[..16] + ".manifest.json");
        AtomicFile.WriteText(path, json);
        var digest = await FileDigestAsync(path, cancel).ConfigureAwait(false);
        var (_, target) = await CreateManifestAsync(artifactId, latestId, digest, upload: true, cancel).ConfigureAwait(false);
        if (target.Url is null)
        {
            throw Unusable("CreateArtifactManifest");
        }

        await api.UploadAsync(target, path, cancel).ConfigureAwait(false);
        File.Delete(path);
    }

    private static TrackingException Unusable(string what) => new(TrackingFault.Refused, $"{what}: expected an answer with the usual fields, found none");

    /// <summary>The manifest file's text; the user's own paths are left out.</summary>
    /// <param name="entries">The files.</param>
    /// <param name="birthIds">For each file the artifact that it first came with, as the server says.</param>
    private static string ManifestOf(IEnumerable<ArtifactEntry> entries, IReadOnlyDictionary<string, string> birthIds) => new JsonObject
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
    }.ToJsonString(ManifestOptions);

    /// <summary>Base64 of the MD5 of a file.</summary>
    private static async Task<string> FileDigestAsync(string path, CancellationToken cancel)
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
