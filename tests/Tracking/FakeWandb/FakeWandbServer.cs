using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace NotebookLib.Tests.Tracking.FakeWandb;

/// <summary>A request as it arrived.</summary>
/// <param name="Method">GET, POST, PUT.</param>
/// <param name="Target">Path and query, exactly as sent.</param>
/// <param name="Operation">GraphQL's operation, "file_stream" or "storage".</param>
/// <param name="Headers">By lower-case name.</param>
/// <param name="Body">After decompression.</param>
internal sealed record FakeRequest(string Method, string Target, string Operation, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public JsonObject Json => (JsonObject)JsonNode.Parse(Body)!;

    public JsonObject Variables => Json["variables"] as JsonObject ?? [];
}

/// <summary>What happens instead of an answer.</summary>
/// <param name="Status">An error status; 0: none.</param>
/// <param name="RetryAfter">The header's value.</param>
/// <param name="AfterApplying">Whether the request is obeyed first: a lost answer.</param>
/// <param name="Reset">Whether the connection breaks.</param>
/// <param name="MidBody">Whether it breaks in the middle of the answer's body.</param>
/// <param name="Delay">How long the answer waits.</param>
/// <param name="Body">The error's text.</param>
internal sealed record FakeFault(
    int Status = 0, string? RetryAfter = null, bool AfterApplying = false, bool Reset = false, bool MidBody = false, TimeSpan Delay = default,
    string Body = "{\"error\":\"injected\"}");

/// <summary>A W&amp;B server in the test's process: keeps state, checks what clients do, misbehaves on request, survives its own restarts.</summary>
internal sealed class FakeWandbServer : IAsyncDisposable
{
    public const string Key = "0123456789012345678901234567890123456789";

    private readonly Lock _lock = new();
    private readonly List<FakeRequest> _requests = [];
    private readonly FakeGraphQL _graphQL;
    private WebApplication? _app;
    private int _port;

    private FakeWandbServer() => _graphQL = new FakeGraphQL(State, () => Url);

    public FakeState State { get; } = new();

    public string Url => $"http://127.0.0.1:{_port}";

    /// <summary>Asked for each request; null: no fault.</summary>
    public Func<FakeRequest, FakeFault?> Fault { get; set; } = _ => null;

    /// <summary>Asked before a request's body is read; true: the connection breaks in the middle of it.</summary>
    public Func<bool> Cut { get; set; } = () => false;

    /// <summary>What is sent instead of an answer.</summary>
    public Func<FakeRequest, string, string> Rewrite { get; set; } = (_, answer) => answer;

    public IReadOnlyList<FakeRequest> Requests
    {
        get
        {
            lock (_lock)
            {
                return [.. _requests];
            }
        }
    }

    public static async Task<FakeWandbServer> StartAsync()
    {
        var server = new FakeWandbServer();
        await server.UpAsync();
        return server;
    }

    /// <summary>Begins to listen, on the same port as before.</summary>
    public async Task UpAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.Limits.MaxRequestBodySize = null;
            options.Listen(IPAddress.Loopback, _port);
        });
        _app = builder.Build();
        _app.Run(HandleAsync);
        await _app.StartAsync();
        _port = new Uri(_app.Urls.Single()).Port;
    }

    /// <summary>Stops listening; the state stays.</summary>
    public async Task DownAsync()
    {
        if (_app is not null)
        {
            using var now = new CancellationTokenSource(TimeSpan.Zero);
            await _app.StopAsync(now.Token);
            await _app.DisposeAsync();
            _app = null;
        }
    }

    public async ValueTask DisposeAsync() => await DownAsync();

    public IReadOnlyList<FakeRequest> Of(string operation) => [.. Requests.Where(request => request.Operation == operation)];

    private async Task HandleAsync(HttpContext context)
    {
        if (Cut())
        {
            await context.Request.Body.ReadAtLeastAsync(new byte[16], 16, throwOnEndOfStream: false);
            context.Abort();
            return;
        }

        var request = await ReadAsync(context.Request);
        lock (_lock)
        {
            _requests.Add(request);
        }

        var fault = Fault(request);
        if (fault is { AfterApplying: false })
        {
            await FailAsync(context, fault);
            return;
        }

        var (status, answer) = Answer(request, context.Request);
        if (fault is not null)
        {
            await FailAsync(context, fault);
            return;
        }

        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(Rewrite(request, answer));
    }

    private (int Status, string Answer) Answer(FakeRequest request, HttpRequest raw)
    {
        if (request.Operation == "storage")
        {
            return (Store(request, raw.Query), "");
        }

        if (!request.Headers.TryGetValue("authorization", out var given) || given != "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("api:" + Key)))
        {
            return (401, """{"errors":[{"message":"user is not logged in"}]}""");
        }

        if (request.Body.Length > State.LargestBody)
        {
            return (413, "{}");
        }

        if (request.Operation == "file_stream")
        {
            var parts = raw.Path.Value!.Split('/');
            var (status, answer) = State.Stream(parts[2], parts[3], parts[4], request.Json);
            return (status, answer.ToJsonString());
        }

        return (200, _graphQL.Answer(request.Operation, request.Variables).ToJsonString());
    }

    private int Store(FakeRequest request, IQueryCollection query)
    {
        foreach (var name in new[] { "authorization", "content-type" }.Where(request.Headers.ContainsKey))
        {
            State.Problem($"{request.Target}: an upload carries {name}");
        }

        return State.Store(query["run"], query["artifact"], query.ContainsKey("manifest"), query["file"]!, request.Body,
            request.Headers.GetValueOrDefault("content-md5"));
    }

    private static async Task FailAsync(HttpContext context, FakeFault fault)
    {
        await Task.Delay(fault.Delay);
        if (fault.MidBody)
        {
            context.Response.ContentLength = 1000;
            await context.Response.WriteAsync("{\"data\":");
            await context.Response.Body.FlushAsync();
        }

        if (fault.Reset || fault.MidBody)
        {
            context.Abort();
            return;
        }

        context.Response.StatusCode = fault.Status == 0 ? 200 : fault.Status;
        if (fault.RetryAfter is not null)
        {
            context.Response.Headers.RetryAfter = fault.RetryAfter;
        }

        await context.Response.WriteAsync(fault.Body);
    }

    private static async Task<FakeRequest> ReadAsync(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        var headers = request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString());
        var bytes = headers.GetValueOrDefault("content-encoding") == "gzip" ? Decompress(body.ToArray()) : body.ToArray();
        var target = request.HttpContext.Features.Get<IHttpRequestFeature>()!.RawTarget;
        return new FakeRequest(request.Method, target, Operation(request.Path, bytes), headers, bytes);
    }

    private static string Operation(string path, byte[] body)
        => path == "/graphql" ? JsonNode.Parse(body)!["operationName"]!.GetValue<string>()
            : path.EndsWith("/file_stream", StringComparison.Ordinal) ? "file_stream"
            : path == "/storage" ? "storage"
            : "unknown";

    private static byte[] Decompress(byte[] bytes)
    {
        using var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        gzip.CopyTo(plain);
        return plain.ToArray();
    }
}
