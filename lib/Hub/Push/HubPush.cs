using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>How to publish.</summary>
public sealed record HubPushOptions
{
    /// <summary>Only the account's own people see it.</summary>
    public bool IsPrivate { get; init; } = true;

    /// <summary>The commit's first line.</summary>
    public string Summary { get; init; } = "Fine-tuned with NotebookLib";
}

/// <summary>What was published.</summary>
/// <param name="Repository">The repository.</param>
/// <param name="Commit">The new commit.</param>
/// <param name="Url">Where to look at it.</param>
/// <param name="Files">Names of the files in the commit.</param>
/// <param name="AlreadyThere">Those of them whose content the Hub had already.</param>
public sealed record HubPushed(string Repository, string Commit, string Url, IReadOnlyList<string> Files, IReadOnlyList<string> AlreadyThere);

/// <summary>Publishes a saved model or adapter. Nothing else in this library sends anything to the Hub.</summary>
public static class HubPush
{
    /// <summary>Sends a folder's model files (weights, configuration, tokenizer, card) in one commit; makes the repository when it is missing.</summary>
    /// <param name="folder">The folder of a saved model or adapter.</param>
    /// <param name="repository"><c>organisation/name</c>, or <c>user/name</c>.</param>
    /// <param name="options">Null for the defaults: privately.</param>
    /// <param name="observer">Follows the transfers.</param>
    /// <param name="cancel">Gives up; large files that have arrived stay at the Hub and are not sent again. Ctrl-C does so anyway.</param>
    /// <exception cref="ArgumentException"><paramref name="repository"/> is no repository's name.</exception>
    /// <exception cref="HubException">Refused or unreachable; the message says what to do.</exception>
    public static Task<HubPushed> FolderAsync(
        string folder, string repository, HubPushOptions? options = null, IHubObserver? observer = null, CancellationToken cancel = default) =>
        FolderAsync(folder, repository, options, observer, settings: null, cancel);

    // With settings of one's own, null for the environment's.
    internal static async Task<HubPushed> FolderAsync(
        string folder, string repository, HubPushOptions? options, IHubObserver? observer, HubSettings? settings, CancellationToken cancel = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(repository);
        var repo = new HubRepo(repository);
        if (!repository.Contains('/', StringComparison.Ordinal))
        {
            throw new ArgumentException($"\"{repository}\" names no owner; expected organisation/name or user/name", nameof(repository));
        }

        var files = PushFile.Of(folder);
        if (!Training.Ranks.IsFirst)
        {
            // Rank 0 sends it.
            return new(repository, "", "", [], []);
        }

        using var session = new HubSession(settings, observer, null);
        ThrowIfUnable(session.Settings, repo);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, Interruption.Token);
        return await new Push(session, repo, options ?? new HubPushOptions(), stop.Token).RunAsync(files).ConfigureAwait(false);
    }

    private static void ThrowIfUnable(HubSettings settings, HubRepo repo)
    {
        if (settings.IsOffline)
        {
            throw new HubException(HubFault.Refused, $"{repo}: nothing can be published while HF_HUB_OFFLINE is set");
        }

        if (settings.Token is null)
        {
            throw new HubException(HubFault.WrongToken,
                $"{repo}: publishing needs a token that may write; make one at {settings.Endpoint}/settings/tokens and set HF_TOKEN");
        }
    }

    private sealed class Push(HubSession session, HubRepo repo, HubPushOptions options, CancellationToken cancel)
    {
        public async Task<HubPushed> RunAsync(IReadOnlyList<PushFile> files)
        {
            var user = (await AskAsync("whoami", HttpMethod.Get, "api/whoami-v2").ConfigureAwait(false))["name"]?.ToString() ?? "";
            await CreateAsync(user).ConfigureAwait(false);
            var modes = await ModesAsync(files).ConfigureAwait(false);
            var kept = files.Where(file => modes[file.Name] != "ignored").ToList();
            var large = kept.Where(file => modes[file.Name] == "lfs").ToList();
            var present = await new LfsUpload(session, repo).RunAsync(large, cancel).ConfigureAwait(false);
            var body = Lines(options.Summary, kept.Except(large), large);
            var answer = await AskAsync($"{repo}: the commit", HttpMethod.Post, $"{repo.ApiPath}/commit/main", () => Content(body))
                .ConfigureAwait(false);
            var commit = answer["commitOid"]?.ToString();
            return HubNames.IsCommit(commit)
                ? new HubPushed(repo.Name, commit!, $"{session.Settings.Endpoint}/{repo.PagePath}", [.. kept.Select(file => file.Name)], present)
                : throw new HubException(HubFault.BadAnswer,
                    $"{repo}: the Hub names no commit; look at {session.Settings.Endpoint}/{repo.PagePath} whether the files are there");
        }

        private async Task CreateAsync(string user)
        {
            var slash = repo.Name.IndexOf('/', StringComparison.Ordinal);
            var request = new JsonObject { ["name"] = repo.Name[(slash + 1)..], ["type"] = "model", ["private"] = options.IsPrivate };
            if (repo.Name[..slash] != user)
            {
                request["organization"] = repo.Name[..slash];
            }

            var answer = await session.SendAsync($"{repo}: the repository", HttpMethod.Post, session.Url("api/repos/create"), () => Json(request), cancel)
                .ConfigureAwait(false);
            if (answer.Status == 409)
            {
                await ThrowIfPublicAsync().ConfigureAwait(false);
            }
            else if (!answer.IsSuccess)
            {
                throw session.Refusal(answer, repo);
            }
        }

        // A repository that was there before keeps its visibility: what was meant to be private must not end up in a public one.
        private async Task ThrowIfPublicAsync()
        {
            if (options.IsPrivate
                && (await AskAsync($"{repo}: its description", HttpMethod.Get, repo.ApiPath).ConfigureAwait(false))["private"] is JsonValue value
                && value.TryGetValue<bool>(out var isPrivate) && !isPrivate)
            {
                throw new HubException(HubFault.Refused,
                    $"{repo} exists and is public, the push is private; nothing was sent. Name another repository, make that one private "
                    + $"({session.Settings.Endpoint}/{repo.PagePath}/settings), or publish for all by HubPushOptions.IsPrivate = false");
            }
        }

        /// <returns>By name: regular, lfs, or ignored.</returns>
        private async Task<Dictionary<string, string>> ModesAsync(IReadOnlyList<PushFile> files)
        {
            var request = new JsonObject { ["files"] = new JsonArray([.. files.Select(file => file.Announcement())]) };
            var answer = await AskAsync($"{repo}: the answer about the files", HttpMethod.Post, $"{repo.ApiPath}/preupload/main", () => Json(request))
                .ConfigureAwait(false);
            var modes = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var entry in (answer["files"] as JsonArray ?? []).OfType<JsonObject>())
            {
                modes[entry["path"]?.ToString() ?? ""] = entry["shouldIgnore"]?.ToString() == "true" ? "ignored" : entry["uploadMode"]?.ToString() ?? "";
            }

            var unclear = files.FirstOrDefault(file => modes.GetValueOrDefault(file.Name) is not ("regular" or "lfs" or "ignored"));
            return unclear is null
                ? modes : throw new HubException(HubFault.BadAnswer, $"{repo}/{unclear.Name}: the Hub does not say whether it wants it regular or by lfs");
        }

        private async Task<JsonNode> AskAsync(string what, HttpMethod method, string path, Func<HttpContent>? body = null)
        {
            var answer = await session.SendAsync(repo.ToString(), method, session.Url(path), body, cancel).ConfigureAwait(false);
            return answer.IsSuccess ? HubSession.Json(answer, what) : throw session.Refusal(answer, repo);
        }

        /// <summary>The lines of a commit: a header, then each file, small ones with their content, large ones, which the storage has, by hash.</summary>
        private static byte[] Lines(string summary, IEnumerable<PushFile> regular, IEnumerable<PushFile> large)
        {
            using var body = new MemoryStream();
            Write("header", new JsonObject { ["summary"] = summary, ["description"] = "" });
            foreach (var file in regular)
            {
                var content = Convert.ToBase64String(File.ReadAllBytes(file.Path));
                Write("file", new JsonObject { ["path"] = file.Name, ["content"] = content, ["encoding"] = "base64" });
            }

            foreach (var file in large)
            {
                Write("lfsFile", new JsonObject { ["path"] = file.Name, ["algo"] = "sha256", ["oid"] = file.Sha256, ["size"] = file.SizeBytes });
            }

            return body.ToArray();

            void Write(string key, JsonObject value)
            {
                using var json = new Utf8JsonWriter(body);
                new JsonObject { ["key"] = key, ["value"] = value }.WriteTo(json);
                json.Flush();
                body.WriteByte((byte)'\n');
            }
        }

        private static HttpContent Content(byte[] lines)
        {
            var content = new ByteArrayContent(lines);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
            return content;
        }

        private static StringContent Json(JsonObject body) => new(body.ToJsonString(), Encoding.UTF8, "application/json");
    }
}
