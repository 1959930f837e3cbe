using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>Brings large files to the Hub's storage by git-lfs: whole or in parts, as the Hub asks; what it has already is not sent.</summary>
internal sealed class LfsUpload(HubSession session, HubRepo repo)
{
    private const string MediaType = "application/vnd.git-lfs+json";
    private const int MostParts = 10_000;

    /// <summary>Uploads files.</summary>
    /// <returns>Names of those that the Hub had already.</returns>
    /// <exception cref="HubException">Unreachable or refused.</exception>
    public async Task<IReadOnlyList<string>> RunAsync(IReadOnlyList<PushFile> files, CancellationToken cancel)
    {
        var present = new List<string>();
        if (files.Count == 0)
        {
            return present;
        }

        var objects = files.DistinctBy(file => file.Sha256).Select(file => new JsonObject { ["oid"] = file.Sha256, ["size"] = file.SizeBytes });
        var request = new JsonObject
        {
            ["operation"] = "upload",
            ["transfers"] = new JsonArray("basic", "multipart"),
            ["objects"] = new JsonArray([.. objects]),
            ["hash_algo"] = "sha256",
        };
        var url = session.Url($"{repo.PagePath}.git/info/lfs/objects/batch");
        var answer = await PostAsync("the list of large files", url, request, [], cancel).ConfigureAwait(false);
        var actions = Actions(HubSession.Json(answer, $"{repo}: the answer about large files"));
        foreach (var group in files.GroupBy(file => file.Sha256))
        {
            var meter = session.Meter(repo, group.First().Name, isUpload: true);
            if (!actions.TryGetValue(group.Key, out var action))
            {
                throw new HubException(HubFault.BadAnswer, $"{repo}: the Hub says nothing about {group.First().Name}");
            }

            present.AddRange(action is null ? group.Select(file => file.Name) : []);
            await SendAsync(group.First(), action, meter, cancel).ConfigureAwait(false);
        }

        return present;
    }

    private async Task SendAsync(PushFile file, JsonObject? actions, TransferMeter meter, CancellationToken cancel)
    {
        if (actions is null)
        {
            meter.Start(file.SizeBytes, file.SizeBytes);
            meter.End(HubTransferPhase.AlreadyThere);
            return;
        }

        try
        {
            var upload = actions["upload"] as JsonObject
                ?? throw new HubException(HubFault.BadAnswer, $"{repo}/{file.Name}: the Hub names no address to send it to");
            var headers = Headers(upload);
            await (headers.TryGetValue("chunk_size", out var size)
                ? SendPartsAsync(file, Address(upload, file), headers, size, meter, cancel)
                : SendWholeAsync(file, Address(upload, file), headers, meter, cancel)).ConfigureAwait(false);
            if (actions["verify"] is JsonObject verify)
            {
                var body = new JsonObject { ["oid"] = file.Sha256, ["size"] = file.SizeBytes };
                await PostAsync($"{file.Name}, confirmed", Address(verify, file), body, [.. Headers(verify).Select(pair => (pair.Key, pair.Value))], cancel)
                    .ConfigureAwait(false);
            }

            meter.End(HubTransferPhase.Done);
        }
        catch
        {
            meter.End(HubTransferPhase.Failed);
            throw;
        }
    }

    private Task SendWholeAsync(PushFile file, string url, Dictionary<string, string> headers, TransferMeter meter, CancellationToken cancel)
        => PutAsync(file, url, 0, file.SizeBytes, [.. headers.Select(pair => (pair.Key, pair.Value))], meter, cancel);

    // Numbered keys of the header are the parts' addresses.
    private async Task SendPartsAsync(PushFile file, string url, Dictionary<string, string> headers, string sizeText, TransferMeter meter,
        CancellationToken cancel)
    {
        var addresses = headers.Where(pair => pair.Key.All(char.IsAsciiDigit)).OrderBy(pair => int.Parse(pair.Key, CultureInfo.InvariantCulture))
            .Select(pair => pair.Value).ToList();
        if (!long.TryParse(sizeText, NumberStyles.None, CultureInfo.InvariantCulture, out var size) || size < 1 || addresses.Count > MostParts
            || addresses.Count != (file.SizeBytes + size - 1) / size)
        {
            throw new HubException(HubFault.BadAnswer,
                $"{repo}/{file.Name}: {file.SizeBytes} bytes in parts of {Excerpt.Long(sizeText)} do not make {addresses.Count} parts");
        }

        var parts = new JsonArray();
        foreach (var (index, address) in addresses.Index())
        {
            ThrowIfNoAddress(address, file);
            var offset = index * size;
            var answer = await PutAsync(file, address, offset, Math.Min(size, file.SizeBytes - offset), [], meter, cancel).ConfigureAwait(false);
            var etag = answer["ETag"] ?? throw new HubException(HubFault.BadAnswer, $"{repo}/{file.Name}: the storage host names no etag for part {index + 1}");
            parts.Add(new JsonObject { ["partNumber"] = index + 1, ["etag"] = etag });
        }

        await PostAsync($"{file.Name}, put together", url, new JsonObject { ["oid"] = file.Sha256, ["parts"] = parts }, [], cancel).ConfigureAwait(false);
    }

    private async Task<NetAnswer> PutAsync(
        PushFile file, string url, long offset, long length, IReadOnlyList<(string Name, string Value)> headers, TransferMeter meter, CancellationToken cancel)
    {
        var answer = await session.SendAsync($"{repo}/{file.Name}", HttpMethod.Put, url, Body, cancel, headers).ConfigureAwait(false);
        return answer.IsSuccess ? answer : throw new HubException(
            HubFault.Refused, $"{repo}/{file.Name}: the storage host refuses it (HTTP {answer.Status}); push again for a fresh address");

        HttpContent Body()
        {
            meter.Start(offset, file.SizeBytes);
            return session.FileContent(file.Path, offset, length, meter.Add);
        }
    }

    private async Task<NetAnswer> PostAsync(
        string what, string url, JsonObject body, IReadOnlyList<(string Name, string Value)> headers, CancellationToken cancel)
    {
        var answer = await session.SendAsync($"{repo}: {what}", HttpMethod.Post, url, Content, cancel, [("Accept", MediaType), .. headers])
            .ConfigureAwait(false);
        return answer.IsSuccess ? answer : throw session.Refusal(answer, repo);

        HttpContent Content()
        {
            var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString()));
            content.Headers.ContentType = new MediaTypeHeaderValue(MediaType);
            return content;
        }
    }

    private Dictionary<string, JsonObject?> Actions(JsonNode answer)
    {
        var actions = new Dictionary<string, JsonObject?>(StringComparer.Ordinal);
        foreach (var entry in (answer["objects"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (entry["error"] is JsonObject error)
            {
                throw new HubException(HubFault.Refused, $"{repo}: the Hub does not take a large file: {Excerpt.Long(error["message"]?.ToString())}");
            }

            actions[entry["oid"]?.ToString() ?? ""] = entry["actions"] as JsonObject;
        }

        return actions;
    }

    private static Dictionary<string, string> Headers(JsonObject action)
        => (action["header"] as JsonObject ?? []).ToDictionary(pair => pair.Key, pair => pair.Value?.ToString() ?? "", StringComparer.Ordinal);

    private string Address(JsonObject action, PushFile file)
    {
        var url = action["href"]?.ToString();
        ThrowIfNoAddress(url, file);
        return url!;
    }

    private void ThrowIfNoAddress(string? url, PushFile file)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("http" or "https")
            || (parsed.Scheme == "http" && session.Settings.Endpoint.StartsWith("https:", StringComparison.Ordinal)))
        {
            throw new HubException(HubFault.BadAnswer, $"{repo}/{file.Name}: the Hub names an address to send it to that is not https; refused");
        }
    }
}
