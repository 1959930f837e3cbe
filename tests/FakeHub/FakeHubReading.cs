using System.Text.Json.Nodes;

namespace NotebookLib.FakeHub;

/// <summary>Resolve, storage and tree.</summary>
internal sealed class FakeHubReading(FakeHubServer server)
{
    public FakeAnswer Answer(FakeRequest request)
    {
        if (request.IsStorage)
        {
            return Stored(request.Path[1..]);
        }

        // A %2F in a revision must stay one segment, so the raw target is split before unescaping.
        var parts = request.Target.Split('?')[0].TrimStart('/').Split('/').Select(Uri.UnescapeDataString).ToArray();
        if (parts is ["api", var kind, var org, var name, "tree", var treeRevision, ..])
        {
            return Guarded(request, kind, $"{org}/{name}", treeRevision, Tree);
        }

        if (parts is ["api", "models", var user, var model])
        {
            return Guarded(request, "models", $"{user}/{model}", "main", (commit, _) => FakeAnswer.Json(
                new JsonObject { ["id"] = $"{user}/{model}", ["sha"] = commit, ["private"] = server.Find("models", $"{user}/{model}")!.IsPrivate }));
        }

        var (repoKind, rest) = parts[0] == "datasets" ? ("datasets", parts[1..]) : ("models", parts);
        return rest is [var owner, var repo, "resolve", var revision, .. var path]
            ? Guarded(request, repoKind, $"{owner}/{repo}", revision, (commit, files) => Resolve(commit, files, string.Join('/', path)))
            : new FakeAnswer(404);
    }

    private FakeAnswer Guarded(FakeRequest request, string kind, string name, string revision,
        Func<string, IReadOnlyDictionary<string, FakeFile>, FakeAnswer> answer)
    {
        var repo = server.Find(kind, name);
        if (repo is null || (repo.IsPrivate && !FakeHubServer.IsKnown(request)))
        {
            return FakeAnswer.Error(FakeHubServer.IsKnown(request) ? 404 : 401, "RepoNotFound", "Repository not found");
        }

        if (repo.IsGated && !FakeHubServer.IsKnown(request))
        {
            return FakeAnswer.Error(401, "GatedRepo", "Access to this resource is restricted");
        }

        return repo.At(revision) is var (commit, files)
            ? answer(commit, files)
            : FakeAnswer.Error(404, "RevisionNotFound", $"Invalid rev id: {revision}");
    }

    private FakeAnswer Resolve(string commit, IReadOnlyDictionary<string, FakeFile> files, string path)
    {
        if (!files.TryGetValue(path, out var file))
        {
            var absent = FakeAnswer.Error(404, "EntryNotFound", "Entry not found");
            absent.Headers["X-Repo-Commit"] = commit;
            return absent;
        }

        var headers = new Dictionary<string, string> { ["X-Repo-Commit"] = commit, ["Accept-Ranges"] = "bytes" };
        if (!file.IsLarge)
        {
            headers["ETag"] = $"\"{file.GitSha1}\"";
            return new FakeAnswer(200, file) { Headers = headers };
        }

        server.Objects.TryAdd(file.Sha256, file);
        headers["X-Linked-Etag"] = $"\"{file.Sha256}\"";
        headers["X-Linked-Size"] = $"{file.SizeBytes}";
        headers["Location"] = $"{server.StorageUrl}/objects/{file.Sha256}?X-Amz-Signature=secret%2Fsignature";
        return new FakeAnswer(302, FakeFile.Text("Found. Redirecting")) { Headers = headers };
    }

    private FakeAnswer Stored(string path) => server.Objects.TryGetValue(path["objects/".Length..], out var file)
        ? new FakeAnswer(200, file) { Headers = { ["ETag"] = "\"something-else-1\"", ["Accept-Ranges"] = "bytes" } }
        : new FakeAnswer(403, FakeFile.Text("AccessDenied"));

    private static FakeAnswer Tree(string commit, IReadOnlyDictionary<string, FakeFile> files)
    {
        var rows = new JsonArray();
        foreach (var folder in files.Keys.Where(path => path.Contains('/', StringComparison.Ordinal)).Select(path => path[..path.LastIndexOf('/')]).Distinct())
        {
            rows.Add(new JsonObject { ["type"] = "directory", ["oid"] = new string('1', 40), ["size"] = 0, ["path"] = folder });
        }

        foreach (var (path, file) in files.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            var row = new JsonObject { ["type"] = "file", ["oid"] = file.GitSha1, ["size"] = file.SizeBytes, ["path"] = path };
            if (file.IsLarge)
            {
                row["lfs"] = new JsonObject { ["oid"] = file.Sha256, ["size"] = file.SizeBytes, ["pointerSize"] = 134 };
            }

            rows.Add(row);
        }

        return FakeAnswer.Json(rows);
    }
}
