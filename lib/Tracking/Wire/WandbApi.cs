using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Tracking;

/// <summary>W&amp;B's calls (WANDB.md §2 to §8): sends variables, reads the fields that we need, turns refusals into sentences.</summary>
internal sealed class WandbApi(WandbHttp http, WandbKey key) : IDisposable
{
    private const int LongestServerMessage = 500;

    public string BaseUrl => http.BaseUrl;

    /// <summary>Who the key belongs to.</summary>
    /// <exception cref="TrackingException">The server does not know the key.</exception>
    public async Task<ViewerAnswer> ViewerAsync(CancellationToken cancel)
    {
        var (data, _) = await QueryAsync("Viewer", GraphQLQueries.Viewer, [], cancel).ConfigureAwait(false);
        return data["viewer"] is JsonObject viewer
            ? new ViewerAnswer(Text(viewer, "entity"), Text(viewer, "username"))
            : throw new TrackingException(TrackingFault.WrongKey,
                $"{http.BaseUrl} does not know the API key; get the right one at {AppUrl(http.BaseUrl)}/authorize");
    }

    /// <summary>Names of the optional abilities that the server has switched on; empty for servers that do not know the question.</summary>
    public async Task<IReadOnlySet<string>> FeaturesAsync(CancellationToken cancel)
    {
        try
        {
            var (data, _) = await QueryAsync("ServerFeaturesQuery", GraphQLQueries.ServerFeatures, [], cancel).ConfigureAwait(false);
            return (Find(data, "serverInfo")?["features"] as JsonArray ?? [])
                .OfType<JsonObject>()
                .Where(feature => Flag(feature, "isEnabled"))
                .Select(feature => Text(feature, "name") ?? "")
                .ToHashSet();
        }
        catch (TrackingException refusal) when (refusal.Fault is TrackingFault.Refused)
        {
            // Older servers answer an unknown field with an error: they have none of the abilities.
            return new HashSet<string>();
        }
    }

    /// <summary>What the server has of a run.</summary>
    /// <returns>Null when the run does not exist.</returns>
    /// <exception cref="TrackingException">Refused.</exception>
    public async Task<ResumeAnswer?> ResumeStatusAsync(string? entity, string project, string runId, CancellationToken cancel)
    {
        var (data, _) = await QueryAsync(
            "RunResumeStatus", GraphQLQueries.RunResumeStatus, new() { ["project"] = project, ["entity"] = entity, ["name"] = runId }, cancel)
                .ConfigureAwait(false);
        return Find(data, "model", "bucket") is not { } bucket
            ? null
            : new ResumeAnswer(
                Text(bucket, "id") ?? "", Count(bucket, "historyLineCount"), Count(bucket, "eventsLineCount"), Count(bucket, "logLineCount"),
                Tail(bucket, "historyTail"), Tail(bucket, "eventsTail"), Text(bucket, "summaryMetrics"), Text(bucket, "config"));
    }

    /// <summary>Makes or updates a run.</summary>
    /// <param name="variables">The variables beside the unset ones, which are sent as null.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="TrackingException">Refused: the key, the entity or the project.</exception>
    public async Task<BucketAnswer> UpsertBucketAsync(JsonObject variables, CancellationToken cancel)
    {
        string[] names = ["id", "name", "project", "entity", "groupName", "description", "displayName", "notes", "commit", "config", "host", "debug", "program",
            "repo", "jobType", "state", "sweep", "tags", "summaryMetrics"];
        var all = new JsonObject(names.Select(name => KeyValuePair.Create(name, variables[name]?.DeepClone())));
        var (data, tries) = await QueryAsync("UpsertBucket", GraphQLQueries.UpsertBucket, all, cancel, retryConflict: true).ConfigureAwait(false);
        var answer = Find(data, "upsertBucket");
        var bucket = Find(answer, "bucket") ?? throw Unusable("UpsertBucket");
        var project = Find(bucket, "project");
        return new BucketAnswer(
            Text(bucket, "id") ?? "", Text(bucket, "displayName"),
            Text(Find(project, "entity"), "name") ?? Text(variables, "entity") ?? throw Unusable("UpsertBucket"),
            Text(project, "name") ?? Text(variables, "project") ?? throw Unusable("UpsertBucket"),
            Flag(answer, "inserted"), tries > 1, Count(bucket, "historyLineCount"));
    }

    /// <summary>Addresses for files of a run, in the order of the names.</summary>
    /// <exception cref="TrackingException">Refused.</exception>
    public async Task<IReadOnlyList<UploadTarget>> CreateRunFilesAsync(string entity, string project, string runId, IReadOnlyList<string> names,
        CancellationToken cancel)
    {
        var variables = new JsonObject { ["entity"] = entity, ["project"] = project, ["run"] = runId, ["files"] = Array(names) };
        var (data, _) = await QueryAsync("CreateRunFiles", GraphQLQueries.CreateRunFiles, variables, cancel).ConfigureAwait(false);
        var answer = Find(data, "createRunFiles") ?? throw Unusable("CreateRunFiles");
        var headers = Texts(answer["uploadHeaders"]);
        var urls = (answer["files"] as JsonArray ?? []).OfType<JsonObject>().DistinctBy(file => Text(file, "name"))
            .ToDictionary(file => Text(file, "name") ?? "", file => Text(file, "uploadUrl"));
        return [.. names.Select(name => new UploadTarget(name, urls.GetValueOrDefault(name) ?? throw Unusable($"CreateRunFiles for {name}"), headers))];
    }

    /// <summary>Sends lines of a run, or a heartbeat.</summary>
    /// <returns>The answer, or null when the body is too large for the server (413).</returns>
    /// <exception cref="TrackingException">Refused.</exception>
    public async Task<FileStreamAnswer?> FileStreamAsync(string entity, string project, string runId, ReadOnlyMemory<byte> body, bool gzip,
        CancellationToken cancel)
    {
        var path = $"/files/{Uri.EscapeDataString(entity)}/{Uri.EscapeDataString(project)}/{Uri.EscapeDataString(runId)}/file_stream";
        var answer = await http.PostAsync(path, gzip ? Compress(body) : body, gzip, isStream: true, retryConflict: false, cancel).ConfigureAwait(false);
        if (answer.Status == 413)
        {
            return null;
        }

        if (!answer.IsSuccess)
        {
            throw Refusal($"the stream of run {runId}", answer);
        }

        var json = Parse(answer.Body) as JsonObject;
        var heartbeat = Find(json, "limits")?["heartbeat_seconds"] is JsonValue value && value.TryGetValue<double>(out var seconds) ? seconds : (double?)null;
        return new FileStreamAnswer(Flag(json, "stopped"), heartbeat);
    }

    /// <summary>Sends a file to an address from the server.</summary>
    /// <exception cref="TrackingException">Refused.</exception>
    public async Task UploadAsync(UploadTarget target, string file, CancellationToken cancel)
    {
        var answer = await http.PutAsync(target.Url!, target.Headers, file, cancel).ConfigureAwait(false);
        if (!answer.IsSuccess)
        {
            throw Refusal($"the upload of {target.Name}", answer);
        }
    }

    /// <summary>Sends a GraphQL call.</summary>
    /// <returns>"data" of the answer, and how many requests it took.</returns>
    /// <exception cref="TrackingException">Refused, also inside HTTP 200 (WANDB.md §1).</exception>
    public async Task<(JsonObject Data, int Tries)> QueryAsync(
        string operation, string query, JsonObject variables, CancellationToken cancel, bool retryConflict = false)
    {
        var body = new JsonObject { ["query"] = query, ["variables"] = variables, ["operationName"] = operation };
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body);
        var answer = await http.PostAsync("/graphql", bytes, isGzip: false, isStream: false, retryConflict, cancel).ConfigureAwait(false);
        var json = Parse(answer.Body) as JsonObject;
        return !answer.IsSuccess || json?["errors"] is JsonArray { Count: > 0 }
            ? throw Refusal(operation, answer)
            : (json?["data"] as JsonObject ?? throw Unusable(operation), answer.Tries);
    }

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    /// <summary>Where people look at runs: api.wandb.ai's pages are at wandb.ai, other servers' at the same address.</summary>
    public static string AppUrl(string baseUrl) => baseUrl.Replace("://api.wandb.ai", "://wandb.ai", StringComparison.Ordinal).TrimEnd('/');

    /// <summary>A run's page.</summary>
    public static string RunLink(string baseUrl, string entity, string project, string runId)
        => $"{AppUrl(baseUrl)}/{Uri.EscapeDataString(entity)}/{Uri.EscapeDataString(project)}/runs/{Uri.EscapeDataString(runId)}";

    private TrackingException Refusal(string what, HttpAnswer answer)
    {
        var message = (Parse(answer.Body) as JsonObject)?["errors"] is JsonArray errors
            ? string.Join("; ", errors.OfType<JsonObject>().Select(error => Text(error, "message")))
            : answer.Body;
        message = key.Scrub(message.Length > LongestServerMessage ? message[..LongestServerMessage] + "…" : message);
        return RefusalMessages.For(what, answer.Status, message, http.BaseUrl);
    }

    private TrackingException Unusable(string what)
        => new(TrackingFault.Refused, $"{what}: expected an answer with the usual fields, found none; is {http.BaseUrl} a W&B server?");

    private static ReadOnlyMemory<byte> Compress(ReadOnlyMemory<byte> body)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(body.Span);
        }

        return target.ToArray();
    }

    private static JsonNode? Parse(string body)
    {
        try
        {
            return body.Length == 0 ? null : JsonNode.Parse(body);
        }
        catch (JsonException)
        {
            // A proxy's page instead of JSON: the status decides, and the text is shown as it is.
            return null;
        }
    }

    /// <summary>An object inside objects; null where anything else stands in its place.</summary>
    internal static JsonObject? Find(JsonObject? node, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            node = node?[name] as JsonObject;
        }

        return node;
    }

    private static bool Flag(JsonObject? node, string name) => node?[name] is JsonValue value && value.TryGetValue<bool>(out var flag) && flag;

    internal static string? Text(JsonObject? node, string name) => node?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    internal static IReadOnlyList<string> Texts(JsonNode? node) =>
        [.. (node as JsonArray ?? []).OfType<JsonValue>().Select(value => value.TryGetValue<string>(out var text) ? text : null).OfType<string>()];

    internal static JsonArray Array(IEnumerable<string> texts) => [.. texts.Select(text => (JsonNode)text)];

    private static long Count(JsonObject node, string name) => node[name] is JsonValue value && value.TryGetValue<long>(out var count) ? Math.Max(0, count) : 0;

    /// <summary>A JSON string that holds a list of JSON strings (WANDB.md §8).</summary>
    private static IReadOnlyList<string> Tail(JsonObject node, string name) =>
        Text(node, name) is { } text && Parse(text) is JsonArray lines ? Texts(lines) : [];
}
