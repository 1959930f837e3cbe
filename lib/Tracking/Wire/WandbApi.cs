using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>Where a run lives on the server.</summary>
/// <param name="StorageId">The server's id of the run.</param>
/// <param name="Name">The run's name in charts.</param>
/// <param name="Entity">The entity that the server chose.</param>
/// <param name="Project">The project that the server chose.</param>
/// <param name="RunId">Our id of the run.</param>
internal sealed record RunPlace(string StorageId, string? Name, string Entity, string Project, string RunId);

/// <summary>What the server has of a run.</summary>
/// <param name="StorageId">The server's id of the run.</param>
/// <param name="Lines">How many lines of each stream.</param>
/// <param name="HistoryTail">The last rows.</param>
/// <param name="EventsTail">The last system metrics.</param>
/// <param name="Summary">The summary, a JSON object, or null.</param>
/// <param name="Config">The configuration, a JSON object of {"value": …}, or null.</param>
internal sealed record ResumeAnswer(
    string StorageId, StreamCounts Lines, IReadOnlyList<string> HistoryTail, IReadOnlyList<string> EventsTail, string? Summary, string? Config);

/// <summary>What file_stream answers.</summary>
/// <param name="Stopped">Whether somebody pressed the stop button.</param>
/// <param name="HeartbeatSeconds">How often the server wants to hear from us, or null.</param>
internal sealed record FileStreamAnswer(bool Stopped, double? HeartbeatSeconds);

/// <summary>An address to send a file to.</summary>
/// <param name="Name">The file.</param>
/// <param name="Url">Null: the server has it already.</param>
/// <param name="Headers">"Name:Value" strings to send along.</param>
internal sealed record UploadTarget(string Name, string? Url, IReadOnlyList<string> Headers);

/// <summary>
/// W&amp;B's calls: sends variables, reads the fields that we need, turns refusals into sentences. Only calls of the API carry the key; the storage must not
/// have it.
/// </summary>
internal sealed class WandbApi : IDisposable
{
    private const int LongestServerMessage = 500;

    /// <summary>GraphQL calls and file uploads are tried again as wandb 0.31 does.</summary>
    public static readonly Patience Calls = new(2, 60, 20);

    // The stream of rows: days of patience.
    private static readonly Patience Stream = new(2, 60, 10_085);

    private readonly NetClient _net;
    private readonly TimeProvider _clock;
    private readonly Action<string, TimeSpan> _onWait;
    private readonly Secret _key;
    private readonly TimeSpan _limit;
    private readonly Patience _stream;

    /// <summary>Makes the connections; nothing is sent.</summary>
    /// <param name="settings">The server, the key, the limit of a request.</param>
    /// <param name="clock">Waits between tries and bounds requests.</param>
    /// <param name="onWait">Hears of each wait and its reason.</param>
    /// <param name="stream">When the stream of rows is tried again; default: for days.</param>
    public WandbApi(TrackingSettings settings, TimeProvider clock, Action<string, TimeSpan> onWait, Patience? stream = null)
    {
        (BaseUrl, _key, _clock, _onWait, _stream) = (settings.BaseUrl.TrimEnd('/'), settings.Key!, clock, onWait, stream ?? Stream);
        (_limit, _net) = (TimeSpan.FromSeconds(settings.RequestSeconds), new(clock, DecompressionMethods.All));
    }

    public string BaseUrl { get; }

    /// <inheritdoc cref="NetClient.Progress"/>
    public long Progress => _net.Progress;

    /// <summary>Asks who the key belongs to.</summary>
    /// <exception cref="TrackingException">The server does not know the key.</exception>
    public async Task CheckKeyAsync(CancellationToken cancel)
    {
        var data = await QueryAsync("Viewer", GraphQLQueries.Viewer, [], cancel).ConfigureAwait(false);
        if (data["viewer"] is not JsonObject)
        {
            throw new TrackingException(TrackingFault.WrongKey, $"{BaseUrl} does not know the API key; get the right one at {AppUrl(BaseUrl)}/authorize");
        }
    }

    /// <summary>Names of the optional abilities that the server has switched on; empty for servers that do not know the question.</summary>
    public async Task<IReadOnlySet<string>> FeaturesAsync(CancellationToken cancel)
    {
        try
        {
            var data = await QueryAsync("ServerFeaturesQuery", GraphQLQueries.ServerFeatures, [], cancel).ConfigureAwait(false);
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
        var data = await QueryAsync(
            "RunResumeStatus", GraphQLQueries.RunResumeStatus, new() { ["project"] = project, ["entity"] = entity, ["name"] = runId }, cancel)
            .ConfigureAwait(false);
        return Find(data, "model", "bucket") is not { } bucket
            ? null
            : new ResumeAnswer(
                Text(bucket, "id") ?? "", new(Count(bucket, "historyLineCount"), Count(bucket, "eventsLineCount"), Count(bucket, "logLineCount")),
                Tail(bucket, "historyTail"), Tail(bucket, "eventsTail"), Text(bucket, "summaryMetrics"), Text(bucket, "config"));
    }

    /// <summary>Makes or updates a run.</summary>
    /// <param name="variables">The variables beside the unset ones, which are sent as null.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="TrackingException">Refused: the key, the entity or the project.</exception>
    public async Task<RunPlace> UpsertBucketAsync(JsonObject variables, CancellationToken cancel)
    {
        string[] names = ["id", "name", "project", "entity", "groupName", "description", "displayName", "notes", "commit", "config", "host", "debug", "program",
            "repo", "jobType", "state", "sweep", "tags", "summaryMetrics"];
        var all = new JsonObject(names.Select(name => KeyValuePair.Create(name, variables[name]?.DeepClone())));
        var data = await QueryAsync("UpsertBucket", GraphQLQueries.UpsertBucket, all, cancel, retryConflict: true).ConfigureAwait(false);
        var bucket = Find(data, "upsertBucket", "bucket") ?? throw Unusable("UpsertBucket");
        var project = Find(bucket, "project");
        return new RunPlace(
            Text(bucket, "id") ?? "", Text(bucket, "displayName"),
            Text(Find(project, "entity"), "name") ?? Text(variables, "entity") ?? throw Unusable("UpsertBucket"),
            Text(project, "name") ?? Text(variables, "project") ?? throw Unusable("UpsertBucket"),
            Text(variables, "name") ?? "");
    }

    /// <summary>Addresses for files of a run, in the order of the names.</summary>
    /// <exception cref="TrackingException">Refused.</exception>
    public async Task<IReadOnlyList<UploadTarget>> CreateRunFilesAsync(RunPlace run, IReadOnlyList<string> names, CancellationToken cancel)
    {
        var variables = new JsonObject { ["entity"] = run.Entity, ["project"] = run.Project, ["run"] = run.RunId, ["files"] = Array(names) };
        var data = await QueryAsync("CreateRunFiles", GraphQLQueries.CreateRunFiles, variables, cancel).ConfigureAwait(false);
        var answer = Find(data, "createRunFiles") ?? throw Unusable("CreateRunFiles");
        var headers = Texts(answer["uploadHeaders"]);
        var urls = (answer["files"] as JsonArray ?? []).OfType<JsonObject>().DistinctBy(file => Text(file, "name"))
            .ToDictionary(file => Text(file, "name") ?? "", file => Text(file, "uploadUrl"));
        return [.. names.Select(name => new UploadTarget(name, urls.GetValueOrDefault(name) ?? throw Unusable($"CreateRunFiles for {name}"), headers))];
    }

    /// <summary>Sends lines of a run, or a heartbeat.</summary>
    /// <returns>The answer, or null when the body is too large for the server (413).</returns>
    /// <exception cref="TrackingException">Refused.</exception>
    public async Task<FileStreamAnswer?> FileStreamAsync(RunPlace run, ReadOnlyMemory<byte> body, bool gzip, CancellationToken cancel)
    {
        var path = $"/files/{Uri.EscapeDataString(run.Entity)}/{Uri.EscapeDataString(run.Project)}/{Uri.EscapeDataString(run.RunId)}/file_stream";
        var answer = await PostAsync(path, gzip ? Compress(body) : body, gzip, _stream, retryConflict: false, cancel).ConfigureAwait(false);
        if (answer.Status == 413)
        {
            return null;
        }

        if (!answer.IsSuccess)
        {
            throw Refusal($"the stream of run {run.RunId}", answer);
        }

        var json = Parse(answer.Body) as JsonObject;
        var heartbeat = Find(json, "limits")?["heartbeat_seconds"] is JsonValue value && value.TryGetValue<double>(out var seconds) ? seconds : (double?)null;
        return new FileStreamAnswer(Flag(json, "stopped"), heartbeat);
    }

    /// <summary>Sends a file to an address that the server handed out, with its headers and nothing else.</summary>
    /// <exception cref="TransientException">All tries failed.</exception>
    /// <exception cref="TrackingException">Refused, or the address is none to send files to.</exception>
    /// <exception cref="FileNotFoundException">The file is gone.</exception>
    public async Task UploadAsync(UploadTarget target, string file, CancellationToken cancel)
    {
        var address = target.Url!.StartsWith('/') ? BaseUrl + target.Url : target.Url;
        if (!Uri.TryCreate(address, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("http" or "https"))
        {
            throw new TrackingException(TrackingFault.Refused, "the server handed out an upload address that is neither http nor https");
        }

        // Only the first colon separates: the value may hold more.
        var headers = target.Headers.Select(header => header.Split(':', 2)).Where(parts => parts is [{ Length: > 0 }, _]);
        var request = new NetRequest(HttpMethod.Put, address, _limit)
        {
            Body = () => _net.FileContent(file),
            Headers = [.. headers.Select(parts => (parts[0].Trim(), parts[1].Trim()))],
            MayPass = MayPass,
        };
        var answer = await Calls.RunAsync(_clock, _onWait, token => _net.SendAsync(request, token), cancel).ConfigureAwait(false);
        if (!answer.IsSuccess)
        {
            throw Refusal($"the upload of {target.Name}", answer);
        }
    }

    /// <summary>Sends a GraphQL call.</summary>
    /// <returns>"data" of the answer.</returns>
    /// <exception cref="TransientException">All tries failed.</exception>
    /// <exception cref="TrackingException">Refused, also inside HTTP 200.</exception>
    public async Task<JsonObject> QueryAsync(string operation, string query, JsonObject variables, CancellationToken cancel, bool retryConflict = false)
    {
        var body = new JsonObject { ["query"] = query, ["variables"] = variables, ["operationName"] = operation };
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body);
        var answer = await PostAsync("/graphql", bytes, isGzip: false, Calls, retryConflict, cancel).ConfigureAwait(false);
        var json = Parse(answer.Body) as JsonObject;
        return !answer.IsSuccess || json?["errors"] is JsonArray { Count: > 0 }
            ? throw Refusal(operation, answer)
            : json?["data"] as JsonObject ?? throw Unusable(operation);
    }

    /// <inheritdoc/>
    public void Dispose() => _net.Dispose();

    /// <summary>Where people look at runs: api.wandb.ai's pages are at wandb.ai, other servers' at the same address.</summary>
    public static string AppUrl(string baseUrl) => baseUrl.Replace("://api.wandb.ai", "://wandb.ai", StringComparison.Ordinal).TrimEnd('/');

    /// <summary>A run's page.</summary>
    public static string RunLink(string baseUrl, string entity, string project, string runId)
        => $"{AppUrl(baseUrl)}/{Uri.EscapeDataString(entity)}/{Uri.EscapeDataString(project)}/runs/{Uri.EscapeDataString(runId)}";

    private Task<NetAnswer> PostAsync(string path, ReadOnlyMemory<byte> body, bool isGzip, Patience patience, bool retryConflict, CancellationToken cancel)
    {
        var request = new NetRequest(HttpMethod.Post, BaseUrl + path, _limit)
        {
            Body = Content,
            Headers = [("Authorization", _key.AuthorizationHeader)],
            MayPass = status => MayPass(status) || (retryConflict && status == 409),
        };
        return patience.RunAsync(_clock, _onWait, token => _net.SendAsync(request, token), cancel);

        HttpContent Content()
        {
            var content = new ReadOnlyMemoryContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            if (isGzip)
            {
                content.Headers.ContentEncoding.Add("gzip");
            }

            return content;
        }
    }

    // All others are answers, as for wandb 0.31.
    private static bool MayPass(int status) => status is not ((>= 200 and < 400) or 400 or 401 or 403 or 404 or 409 or 410 or 413 or 422 or 501);

    private TrackingException Refusal(string what, NetAnswer answer)
    {
        var message = (Parse(answer.Body) as JsonObject)?["errors"] is JsonArray errors
            ? string.Join("; ", errors.OfType<JsonObject>().Select(error => Text(error, "message")))
            : answer.Body;
        message = _key.RemoveFrom(message.Length > LongestServerMessage ? message[..LongestServerMessage] + "…" : message);
        var (fault, said) = (Kind(answer.Status, message), $"HTTP {answer.Status}{(message.Length == 0 ? "" : ": ")}{message}");
        return new TrackingException(fault, fault switch
        {
            TrackingFault.WrongKey => $"{BaseUrl} does not know the API key ({said}); get the right one at {AppUrl(BaseUrl)}/authorize and set WANDB_API_KEY",
            TrackingFault.WrongEntity =>
                $"{BaseUrl}: {what}: the entity does not exist or the key may not write there ({said}); check WANDB_ENTITY, or leave it out for the key's own",
            TrackingFault.UnknownProject => $"{BaseUrl}: {what}: the server refuses the project ({said}); check WANDB_PROJECT",
            _ => $"{BaseUrl}: {what}: the server refuses ({said})",
        });
    }

    // No capture shows how the real server words an error: the status decides first, then the words.
    private static TrackingFault Kind(int status, string message)
    {
        return status switch
        {
            401 => TrackingFault.WrongKey,
            _ when Says("not logged in") || Says("api key") => TrackingFault.WrongKey,
            _ when Says("project") && !Says("entity") => TrackingFault.UnknownProject,
            403 => TrackingFault.WrongEntity,
            _ when Says("entity") || Says("permission denied") => TrackingFault.WrongEntity,
            _ => TrackingFault.Refused,
        };

        bool Says(string word) => message.Contains(word, StringComparison.OrdinalIgnoreCase);
    }

    private TrackingException Unusable(string what)
        => new(TrackingFault.Refused, $"{what}: expected an answer with the usual fields, found none; is {BaseUrl} a W&B server?");

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
            return body.Length == 0 ? null : StrictJson.ParseNode(body);
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

    /// <summary>A JSON string that holds a list of JSON strings.</summary>
    private static IReadOnlyList<string> Tail(JsonObject node, string name)
        => Text(node, name) is { } text && Parse(text) is JsonArray lines ? Texts(lines) : [];
}
