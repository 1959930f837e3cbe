using System.Text.Json.Nodes;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// Uploads one artifact: create, manifest, files that the server lacks, manifest again, commit (WANDB.md §7). Doing it twice gives one version.
/// </summary>
/// <param name="api">The server.</param>
/// <param name="folder">The run's folder, with the staged files.</param>
/// <param name="bucket">The run's place on the server.</param>
/// <param name="runId">The run.</param>
internal sealed class ArtifactUploader(WandbApi api, RunFolder folder, BucketAnswer bucket, string runId)
{
    private const string ManifestName = "wandb_manifest.json";

    /// <summary>Uploads it.</summary>
    /// <exception cref="TrackingException">Refused; or a staged file changed.</exception>
    /// <exception cref="TransientException">All tries failed.</exception>
    public async Task UploadAsync(ArtifactRequest artifact, CancellationToken cancel)
    {
        var entries = await DigestsAsync(artifact, cancel).ConfigureAwait(false);
        await CheckTypeAsync(artifact, cancel).ConfigureAwait(false);
        var created = await CreateAsync(artifact, ArtifactManifest.Digest(entries), cancel).ConfigureAwait(false);
        if (created.IsCommitted)
        {
            return;
        }

        var (manifestId, _) = await CreateManifestAsync(created, "", upload: false, cancel).ConfigureAwait(false);
        var targets = await CreateFilesAsync(created.Id, manifestId, entries, cancel).ConfigureAwait(false);
        foreach (var (entry, target) in entries.Zip(targets))
        {
            if (target.Upload.Url is not null)
            {
                await api.UploadAsync(target.Upload, entry.Path, cancel).ConfigureAwait(false);
            }
        }

        var births = entries.Zip(targets).ToDictionary(pair => pair.First.Name, pair => pair.Second.ArtifactId);
        await UploadManifestAsync(created, artifact, ArtifactManifest.ToJson(entries, births), cancel).ConfigureAwait(false);
        await api.QueryAsync("CommitArtifact", GraphQLQueries.CommitArtifact, new() { ["artifactID"] = created.Id }, cancel).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<ArtifactEntry>> DigestsAsync(ArtifactRequest artifact, CancellationToken cancel)
    {
        List<ArtifactEntry> entries = [];
        foreach (var file in artifact.Files.OrderBy(file => file.Name, StringComparer.Ordinal))
        {
            var path = Path.Combine(folder.FullPath, file.Staged);
            var now = new FileInfo(path);
            if (!now.Exists || now.Length != file.Size || now.LastWriteTimeUtc != file.ModifiedUtc)
            {
                throw new TrackingException(
                    TrackingFault.ChangedFile,
                    $"{file.Name}: expected {file.Size} bytes of {file.ModifiedUtc:O}, found "
                        + $"{(now.Exists ? $"{now.Length} bytes of {now.LastWriteTimeUtc:O}" : "no file")}; log the artifact again");
            }

            entries.Add(new ArtifactEntry(file.Name, await ArtifactManifest.FileDigestAsync(path, cancel).ConfigureAwait(false), file.Size, path));
        }

        return entries;
    }

    /// <summary>A collection holds one type of artifact.</summary>
    private async Task CheckTypeAsync(ArtifactRequest artifact, CancellationToken cancel)
    {
        var variables = new JsonObject { ["entity"] = bucket.Entity, ["project"] = bucket.Project, ["name"] = artifact.Name + ":latest" };
        var data = await api.QueryAsync("ArtifactType", GraphQLQueries.ArtifactType, variables, cancel).ConfigureAwait(false);
        if (WandbApi.Text(WandbApi.Find(data, "project", "artifact", "artifactType"), "name") is { } type && type != artifact.Type)
        {
            throw new TrackingException(TrackingFault.Refused,
                $"the server has \"{artifact.Name}\" with type \"{type}\", expected \"{artifact.Type}\"; choose another name");
        }
    }

    private async Task<ArtifactAnswer> CreateAsync(ArtifactRequest artifact, string digest, CancellationToken cancel)
    {
        var input = new JsonObject
        {
            ["entityName"] = bucket.Entity,
            ["projectName"] = bucket.Project,
            ["runName"] = runId,
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
        return new ArtifactAnswer(
            WandbApi.Text(answer, "id") ?? throw Unusable("CreateArtifact"),
            WandbApi.Text(answer, "state") == "COMMITTED",
            WandbApi.Text(WandbApi.Find(answer, "artifactSequence", "latestArtifact"), "id"));
    }

    /// <summary>Asked twice with one name: the second replaces (WANDB.md §7).</summary>
    private async Task<(string Id, UploadTarget Upload)> CreateManifestAsync(ArtifactAnswer created, string digest, bool upload, CancellationToken cancel)
    {
        var variables = new JsonObject
        {
            ["artifactID"] = created.Id,
            ["baseArtifactID"] = created.LatestId,
            ["name"] = ManifestName,
            ["digest"] = digest,
            ["entityName"] = bucket.Entity,
            ["projectName"] = bucket.Project,
            ["runName"] = runId,
            ["manifestType"] = "FULL",
            ["includeUpload"] = upload,
        };
        var data = await api.QueryAsync("CreateArtifactManifest", GraphQLQueries.CreateArtifactManifest, variables, cancel).ConfigureAwait(false);
        var manifest = WandbApi.Find(data, "createArtifactManifest", "artifactManifest");
        var file = WandbApi.Find(manifest, "file");
        return (WandbApi.Text(manifest, "id") ?? throw Unusable("CreateArtifactManifest"),
            new UploadTarget(ManifestName, WandbApi.Text(file, "uploadUrl"), WandbApi.Texts(file?["uploadHeaders"])));
    }

    private async Task<IReadOnlyList<ArtifactFileTarget>> CreateFilesAsync(
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
            : [.. nodes.Zip(entries, (node, entry) => new ArtifactFileTarget(
                WandbApi.Text(node["artifact"] as JsonObject, "id") ?? artifactId,
                new UploadTarget(entry.Name, WandbApi.Text(node, "uploadUrl"), WandbApi.Texts(node["uploadHeaders"]))))];
    }

    private async Task UploadManifestAsync(ArtifactAnswer created, ArtifactRequest artifact, string json, CancellationToken cancel)
    {
        var path = Path.Combine(folder.Artifacts, artifact.ClientId[..16] + ".manifest.json");
        Platform.AtomicFile.WriteText(path, json);
        var digest = await ArtifactManifest.FileDigestAsync(path, cancel).ConfigureAwait(false);
        var (_, target) = await CreateManifestAsync(created, digest, upload: true, cancel).ConfigureAwait(false);
        if (target.Url is null)
        {
            throw Unusable("CreateArtifactManifest");
        }

        await api.UploadAsync(target, path, cancel).ConfigureAwait(false);
        File.Delete(path);
    }

    private static TrackingException Unusable(string what) => new(TrackingFault.Refused, $"{what}: expected an answer with the usual fields, found none");
}
