using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace NotebookLib.FakeHub;

/// <summary>Create, preupload, LFS batch, uploads, commit and whoami; refuses what the Hub would refuse.</summary>
internal sealed class FakeHubWriting(FakeHubServer server)
{
    private readonly Dictionary<string, SortedDictionary<int, byte[]>> _parts = [];

    public FakeAnswer Answer(FakeRequest request)
    {
        if (!FakeHubServer.IsKnown(request))
        {
            return FakeAnswer.Error(401, "", "Invalid credentials in Authorization header");
        }

        var parts = request.Target.Split('?')[0].TrimStart('/').Split('/').Select(Uri.UnescapeDataString).ToArray();
        return parts switch
        {
            ["api", "whoami-v2"] =>
                FakeAnswer.Json(
                    new JsonObject { ["type"] = "user", ["name"] = FakeHubServer.User, ["orgs"] = new JsonArray(new JsonObject { ["name"] = "org" }) }),
            ["api", "repos", "create"] => Create(request.Json),
            ["api", "models", var org, var name, "preupload", _] => WithRepo(org, name, _ => Preupload(request.Json)),
            ["api", "models", var org, var name, "commit", _] => WithRepo(org, name, repo => Commit(repo, request.Text)),
            [var org, var git, "info", "lfs", "objects", "batch"] => WithRepo(org, git[..^".git".Length], _ => Batch(request)),
            ["lfs-verify", var oid] => Verify(oid, request.Json),
            _ => new FakeAnswer(404),
        };
    }

    /// <summary>Takes a whole object or one part of it.</summary>
    public async Task<FakeAnswer> StoreAsync(FakeRequest request, Stream body)
    {
        using var bytes = new MemoryStream();
        await body.CopyToAsync(bytes).ConfigureAwait(false);
        switch (request.Path.TrimStart('/').Split('/'))
        {
            case ["objects", var oid]:
                Keep(oid, bytes.ToArray());
                return new FakeAnswer(200);
            case ["parts", var oid, var number]:
                lock (_parts)
                {
                    _parts.TryAdd(oid, []);
                    _parts[oid][int.Parse(number, CultureInfo.InvariantCulture)] = bytes.ToArray();
                }

                return new FakeAnswer(200) { Headers = { ["ETag"] = $"\"part-{number}\"" } };
            default:
                return new FakeAnswer(404);
        }
    }

    /// <summary>Puts an object together from its parts, in the order in which the client names them.</summary>
    public FakeAnswer CompleteParts(FakeRequest request)
    {
        var oid = request.Json["oid"]!.GetValue<string>();
        lock (_parts)
        {
            var named = request.Json["parts"]!.AsArray().Select(part => (Number: part!["partNumber"]!.GetValue<int>(), Etag: part["etag"]!.GetValue<string>()))
                .ToList();
            if (named.Any(part => part.Etag.Trim('"') != $"part-{part.Number}") || !named.Select(part => part.Number).SequenceEqual(_parts[oid].Keys))
            {
                server.Problems.Enqueue($"{oid}: parts named {string.Join(", ", named)}");
                return new FakeAnswer(400);
            }

            Keep(oid, [.. _parts[oid].Values.SelectMany(part => part)]);
            return FakeAnswer.Json(new JsonObject());
        }
    }

    private void Keep(string oid, byte[] bytes)
    {
        if (Convert.ToHexStringLower(SHA256.HashData(bytes)) == oid)
        {
            server.Objects[oid] = new FakeFile(bytes, isLarge: true);
        }
        else
        {
            server.Problems.Enqueue($"{oid}: {bytes.Length} bytes of another hash were sent");
        }
    }

    private FakeAnswer WithRepo(string org, string name, Func<FakeRepo, FakeAnswer> answer) => server.Find("models", $"{org}/{name}") is { } repo
        ? answer(repo)
        : FakeAnswer.Error(404, "RepoNotFound", "Repository not found");

    private FakeAnswer Create(JsonNode json)
    {
        var name = $"{json["organization"]?.GetValue<string>() ?? FakeHubServer.User}/{json["name"]!.GetValue<string>()}";
        if (server.Find("models", name) is not null)
        {
            return FakeAnswer.Error(409, "", "You already created this model repo");
        }

        var repo = server.Repo(name);
        repo.IsPrivate = json["private"]?.GetValue<bool>() ?? false;
        repo.Commit((".gitattributes", FakeFile.Text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")));
        return FakeAnswer.Json(new JsonObject { ["url"] = $"{server.Url}/{name}", ["name"] = name });
    }

    private static FakeAnswer Preupload(JsonNode json)
    {
        var files = new JsonArray();
        foreach (var file in json["files"]!.AsArray())
        {
            var path = file!["path"]!.GetValue<string>();
            var isBinary = Convert.FromBase64String(file["sample"]!.GetValue<string>()).Contains((byte)0);
            var isLarge = file["size"]!.GetValue<long>() > 10_000_000 || isBinary || path.EndsWith(".safetensors", StringComparison.Ordinal)
                || path.EndsWith(".model", StringComparison.Ordinal);
            files.Add(new JsonObject
            {
                ["path"] = path,
                ["uploadMode"] = isLarge ? "lfs" : "regular",
                ["shouldIgnore"] = path.EndsWith(".tmp", StringComparison.Ordinal),
                ["oid"] = null,
            });
        }

        return FakeAnswer.Json(new JsonObject { ["files"] = files });
    }

    private FakeAnswer Batch(FakeRequest request)
    {
        if (request["Content-Type"] != "application/vnd.git-lfs+json" || request["Accept"] != "application/vnd.git-lfs+json")
        {
            server.Problems.Enqueue($"LFS batch with Content-Type {request["Content-Type"]}, Accept {request["Accept"]}");
        }

        var objects = new JsonArray();
        var isMultipart = false;
        foreach (var entry in request.Json["objects"]!.AsArray())
        {
            var (oid, size) = (entry!["oid"]!.GetValue<string>(), entry["size"]!.GetValue<long>());
            var answer = new JsonObject { ["oid"] = oid, ["size"] = size };
            if (!server.Objects.ContainsKey(oid))
            {
                isMultipart |= server.PartBytes > 0 && size >= server.PartBytes;
                answer["actions"] = new JsonObject
                {
                    ["upload"] = Upload(oid, size),
                    ["verify"] = new JsonObject { ["href"] = $"{server.Url}/lfs-verify/{oid}", ["header"] = new JsonObject() },
                };
            }

            objects.Add(answer);
        }

        return FakeAnswer.Json(new JsonObject { ["transfer"] = isMultipart ? "multipart" : "basic", ["objects"] = objects });
    }

    private JsonObject Upload(string oid, long size)
    {
        if (server.PartBytes == 0 || size < server.PartBytes)
        {
            return new JsonObject { ["href"] = $"{server.StorageUrl}/objects/{oid}?signature=secret%2Bsignature" };
        }

        var header = new JsonObject { ["chunk_size"] = $"{server.PartBytes}" };
        for (var part = 1; (part - 1) * server.PartBytes < size; part++)
        {
            header[part.ToString("00000", CultureInfo.InvariantCulture)] = $"{server.StorageUrl}/parts/{oid}/{part}?signature=secret";
        }

        return new JsonObject { ["href"] = $"{server.StorageUrl}/complete/{oid}?signature=secret", ["header"] = header };
    }

    private FakeAnswer Verify(string oid, JsonNode json) => server.Objects.TryGetValue(oid, out var file) && json["size"]!.GetValue<long>() == file.SizeBytes
        ? FakeAnswer.Json(new JsonObject())
        : new FakeAnswer(404);

    private FakeAnswer Commit(FakeRepo repo, string ndjson)
    {
        var files = new List<(string, FakeFile)>();
        foreach (var line in ndjson.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!))
        {
            var value = line["value"]!;
            switch (line["key"]!.GetValue<string>())
            {
                case "file":
                    files.Add((value["path"]!.GetValue<string>(), new FakeFile(Convert.FromBase64String(value["content"]!.GetValue<string>()))));
                    break;
                case "lfsFile" when server.Objects.TryGetValue(value["oid"]!.GetValue<string>(), out var stored)
                    && value["algo"]!.GetValue<string>() == "sha256":
                    files.Add((value["path"]!.GetValue<string>(), stored));
                    break;
                case "header":
                    break;
                default:
                    return FakeAnswer.Error(400, "", $"bad line {Encoding.UTF8.GetByteCount(line.ToJsonString())} bytes: {line["key"]}");
            }
        }

        var commit = repo.Commit(files);
        return FakeAnswer.Json(new JsonObject { ["success"] = true, ["commitOid"] = commit, ["commitUrl"] = $"{server.Url}/{repo.Name}/commit/{commit}" });
    }
}
