using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace NotebookLib.FakeHub;

/// <summary>
/// A Hub that behaves as the real one was seen to, on two ports of the loopback: the Hub itself and its storage host, which is another origin and must never
/// see a token. Keeps repositories in memory, records every request, misbehaves on request.
/// </summary>
public sealed class FakeHubServer : IAsyncDisposable
{
    /// <summary>The one token that opens everything.</summary>
    public const string Token = "hf_TestTokenThatMustNotTravel1234567";

    /// <summary>The account that the token belongs to.</summary>
    public const string User = "tester";

    private readonly ConcurrentDictionary<string, FakeRepo> _repos = new();
    private readonly ConcurrentQueue<FakeRequest> _requests = new();
    private readonly FakeHubReading _reading;
    private readonly FakeHubWriting _writing;
    private readonly List<WebApplication> _apps = [];

    private FakeHubServer() => (_reading, _writing) = (new FakeHubReading(this), new FakeHubWriting(this));

    /// <summary>The Hub's address.</summary>
    public string Url { get; private set; } = "";

    /// <summary>The storage host's address.</summary>
    public string StorageUrl { get; private set; } = "";

    /// <summary>Asked for each request; null: no fault.</summary>
    public Func<FakeRequest, FakeFault?> Fault { get; set; } = _ => null;

    /// <summary>All requests so far.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _requests];

    /// <summary>What clients did wrong: a token at the storage host, an upload that does not have its hash.</summary>
    public ConcurrentQueue<string> Problems { get; } = new();

    /// <summary>Uploaded objects by sha256.</summary>
    public ConcurrentDictionary<string, FakeFile> Objects { get; } = new();

    /// <summary>Objects from this size on are uploaded in parts of this size; 0: never.</summary>
    public long PartBytes { get; set; }

    /// <summary>Starts a server.</summary>
    /// <param name="port">The Hub's port; 0 takes a free one.</param>
    public static async Task<FakeHubServer> StartAsync(int port = 0)
    {
        var server = new FakeHubServer();
        server.Url = await server.ListenAsync(port, isStorage: false).ConfigureAwait(false);
        server.StorageUrl = await server.ListenAsync(0, isStorage: true).ConfigureAwait(false);
        return server;
    }

    /// <summary>A repository by kind (models, datasets) and name; made when missing.</summary>
    public FakeRepo Repo(string name, string kind = "models") => _repos.GetOrAdd($"{kind}/{name}", _ => new FakeRepo(kind, name));

    /// <summary>A repository, or null.</summary>
    public FakeRepo? Find(string kind, string name) => _repos.GetValueOrDefault($"{kind}/{name}");

    /// <summary>Names of the files in a model's main.</summary>
    public IReadOnlyList<string> At(string name) => [.. Find("models", name)?.At("main")?.Files.Keys ?? []];

    /// <summary>Whether a request proves its right to private repositories.</summary>
    public static bool IsKnown(FakeRequest request) => request?["Authorization"] == "Bearer " + Token;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var app in _apps)
        {
            using var now = new CancellationTokenSource(TimeSpan.Zero);
            await app.StopAsync(now.Token).ConfigureAwait(false);
            await app.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<string> ListenAsync(int port, bool isStorage)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.Limits.MaxRequestBodySize = null;
            options.Limits.MinRequestBodyDataRate = null;
            options.Listen(IPAddress.Loopback, port);
        });
        var app = builder.Build();
        app.Run(context => HandleAsync(context, isStorage));
        await app.StartAsync().ConfigureAwait(false);
        _apps.Add(app);
        return app.Urls.Single();
    }

    private async Task HandleAsync(HttpContext context, bool isStorage)
    {
        var request = await ReadAsync(context.Request, isStorage).ConfigureAwait(false);
        _requests.Enqueue(request);
        if (isStorage && request["Authorization"] is not null)
        {
            Problems.Enqueue($"{request.Method} {request.Target}: the token reached the storage host");
        }

        var fault = Fault(request) ?? new FakeFault();
        if (fault.AfterApplying || (!fault.Reset && fault.Status == 0 && fault.RedirectTo is null))
        {
            var answer = await AnswerAsync(request, context).ConfigureAwait(false);
            if (!fault.AfterApplying)
            {
                await answer.SendAsync(context, request, fault).ConfigureAwait(false);
                return;
            }
        }

        await FailAsync(context, fault).ConfigureAwait(false);
    }

    private async Task<FakeAnswer> AnswerAsync(FakeRequest request, HttpContext context)
        => request.IsStorage && request.Method is "PUT" ? await _writing.StoreAsync(request, context.Request.Body).ConfigureAwait(false)
            : request.IsStorage && request.Method is "POST" ? _writing.CompleteParts(request)
            : request.Method is "POST" || request.Path.StartsWith("/api/whoami", StringComparison.Ordinal) ? _writing.Answer(request)
            : _reading.Answer(request);

    private static async Task FailAsync(HttpContext context, FakeFault fault)
    {
        if (fault.Reset)
        {
            context.Abort();
            return;
        }

        context.Response.StatusCode = fault.RedirectTo is null ? fault.Status : 302;
        if (fault.RedirectTo is not null)
        {
            context.Response.Headers.Location = fault.RedirectTo;
        }

        if (fault.RetryAfter is not null)
        {
            context.Response.Headers.RetryAfter = fault.RetryAfter;
        }

        if (fault.Error is { } error)
        {
            context.Response.Headers["X-Error-Code"] = error.Code;
            context.Response.Headers["X-Error-Message"] = error.Message;
        }

        foreach (var (name, value) in fault.Headers)
        {
            context.Response.Headers[name] = value;
        }

        if (context.Request.Method != "HEAD")
        {
            await context.Response.WriteAsync(fault.Body ?? "injected").ConfigureAwait(false);
        }
    }

    private static async Task<FakeRequest> ReadAsync(HttpRequest request, bool isStorage)
    {
        var headers = request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        var target = request.HttpContext.Features.Get<IHttpRequestFeature>()!.RawTarget;
        using var body = new MemoryStream();
        if (!(isStorage && request.Method == "PUT"))
        {
            await request.Body.CopyToAsync(body).ConfigureAwait(false);
        }

        return new FakeRequest(request.Method, target, isStorage, headers, body.ToArray());
    }
}
