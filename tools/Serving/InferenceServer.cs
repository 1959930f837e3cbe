extern alias lib;

using System.Diagnostics;
using System.Net;
using lib::NotebookLib.Inference;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace NotebookRunner.Serving;

/// <summary>What a server may be asked for, and by whom.</summary>
internal sealed record ServerSettings
{
    /// <summary>The address that it listens on.</summary>
    public IPAddress Host { get; init; } = IPAddress.Loopback;

    /// <summary>The port; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>What clients show to be let in; null lets everybody in.</summary>
    public string? Token { get; init; }

    /// <summary>The names under which <c>/models/NAME</c> finds the model; the first is shown.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>Requests that wait for the network at most.</summary>
    public int LineLength { get; init; } = 256;

    /// <summary>Texts of one request at most.</summary>
    public int MostTexts { get; init; } = 1024;

    /// <summary>Bytes of one request at most.</summary>
    public int MostBytes { get; init; } = 1 << 20;

    /// <summary>How long a request may take, from its header to its result.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The clock of the time limit.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>A trained model behind HTTP: the Hub's inference protocol, health, metrics, and a page for people.</summary>
internal sealed class InferenceServer : IAsyncDisposable
{
    private const int MostConnections = 1024;
    private const int ClientClosedRequest = 499;
    private const string ModelsPath = "/models/";

    /// <summary>How long clients that are still sending are listened to when the server stops.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly EntityTagger _tagger;
    private readonly ServerSettings _settings;
    private readonly ServicePage _page;
    private readonly Action<string> _say;
    private readonly ServerMetrics _metrics = new();
    private readonly ScoringQueue _queue;
    private readonly WebApplication _app;
    private int _working;
    private volatile bool _isStopping;

    /// <summary>Prepares a server.</summary>
    /// <param name="tagger">The model; nobody else uses it while this serves.</param>
    /// <param name="settings">Limits and names.</param>
    /// <param name="page">The page for people.</param>
    /// <param name="say">Takes a line for whoever runs the server: never a word of a request.</param>
    public InferenceServer(EntityTagger tagger, ServerSettings settings, ServicePage page, Action<string> say)
    {
        (_tagger, _settings, _page, _say) = (tagger, settings, page, say);
        _queue = new(tagger.Scorer, settings.LineLength, _metrics);
        // No configuration files, no environment, no logging: what is served where stands in the settings alone.
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>().Configure<HostOptions>(host => host.ShutdownTimeout = Patience);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = settings.MostBytes;
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Listen(settings.Host, settings.Port, listen => listen.Protocols = HttpProtocols.Http1);
        });
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Starts to listen.</summary>
    /// <exception cref="IOException">The port is taken, or the address is not this machine's.</exception>
    public async Task StartAsync()
    {
        await _app.StartAsync();
        Address = new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single() + "/");
    }

    /// <summary>Finishes what was begun, refuses what comes, then stops listening.</summary>
    public async Task StopAsync()
    {
        _isStopping = true;
        // Results are there within the time limit; a client that reads its own slowly is not waited for much longer.
        var started = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _working) > 0 && Stopwatch.GetElapsedTime(started) < _settings.TimeLimit + Patience)
        {
            await Task.Delay(20);
        }

        await _app.StopAsync();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await _queue.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var started = Stopwatch.GetTimestamp();
        var path = context.Request.Path.Value ?? "/";
        var isInference = HttpMethods.IsPost(context.Request.Method);
        try
        {
            Protect(context.Response.Headers);
            CallerRules.Check(context.Request, _settings);
            await (isInference ? InferAsync(context, path) : ShowAsync(context, path));
        }
        catch (RequestRefusedException refused)
        {
            await RefuseAsync(context, refused);
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException bad)
        {
            await RefuseAsync(context, new(bad.StatusCode, bad.StatusCode switch
            {
                413 => Invariant($"body: this server takes at most {_settings.MostBytes} bytes in one request."),
                408 => "body: it came too slowly.",
                _ => "The request is broken.",
            }));
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered; counted as nginx does.
            context.Response.StatusCode = context.Response.HasStarted ? context.Response.StatusCode : ClientClosedRequest;
        }
        catch (Exception error)
        {
            // The message may quote what the client sent.
            _say($"A request failed: {error.GetType()}\n{error.StackTrace}");
            await RefuseAsync(context, new(500, "The server failed at this request; whoever runs it finds more where it prints."));
        }
        finally
        {
            if (isInference)
            {
                _metrics.Answered(context.Response.StatusCode, Stopwatch.GetElapsedTime(started).TotalSeconds);
            }
        }
    }

    private static void Protect(IHeaderDictionary headers)
    {
        headers.XContentTypeOptions = "nosniff";
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.ContentSecurityPolicy = ServicePage.Policy;
    }

    private async Task ShowAsync(HttpContext context, string path)
    {
        var (content, type) = path switch
        {
            "/" => (_page.Html, "text/html"),
            "/serve.css" => (ServicePage.Style, "text/css"),
            "/serve.js" => (ServicePage.Script, "text/javascript"),
            "/health" => (InferenceProtocol.Object(("status", _isStopping ? "stopping" : "ok"), ("model", _settings.Names[0])), "application/json"),
            "/metrics" => (await _metrics.ToTextAsync(context.RequestAborted), "text/plain; version=0.0.4"),
            _ when path.StartsWith(ModelsPath, StringComparison.Ordinal) => throw NotAllowed(context, HttpMethods.Post),
            _ => throw new RequestRefusedException(404, "There is no such page here; expected /, /health, /metrics, or POST /models/NAME."),
        };
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            throw NotAllowed(context, path == "/" ? "GET, HEAD, POST" : "GET, HEAD");
        }

        await SendAsync(context, path == "/health" && _isStopping ? 503 : 200, content, $"{type}; charset=utf-8");
    }

    private static RequestRefusedException NotAllowed(HttpContext context, string allowed)
    {
        context.Response.Headers.Allow = allowed;
        return new(405, $"Method: expected {allowed}.");
    }

    private async Task InferAsync(HttpContext context, string path)
    {
        CheckPath(context, path);
        using var time = new CancellationTokenSource(_settings.TimeLimit, _settings.Time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, time.Token);
        var body = await ReadAsync(context.Request, limit.Token);
        // Counted before it is looked whether the server stops: either the stop waits for this one, or this one sees it.
        Interlocked.Increment(ref _working);
        try
        {
            if (_isStopping)
            {
                context.Response.Headers.Connection = "close";
                throw RequestRefusedException.Busy("The server is stopping.", TimeSpan.Zero);
            }

            await SendAsync(context, 200, await ResultAsync(InferenceProtocol.Read(body, _settings.MostTexts), limit.Token), "application/json; charset=utf-8");
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            throw RequestRefusedException.Busy(Invariant($"No result within {_settings.TimeLimit.TotalSeconds:0.###} s; try again later, ")
                + "or send less at a time.", _queue.Wait);
        }
        finally
        {
            Interlocked.Decrement(ref _working);
        }
    }

    private async Task<byte[]> ResultAsync(InferenceRequest request, CancellationToken cancel)
    {
        IReadOnlyList<IReadOnlyList<TokenEntity>> results;
        if (request.Strategy is { } strategy)
        {
            results = await ScoreAsync(_tagger.Pipeline.Prepare(request.Texts, strategy, request.IgnoredLabels), cancel);
        }
        else
        {
            var tagged = await ScoreAsync(PrepareWords(request.Texts), cancel);
            results = [.. tagged.Select(text => InferenceProtocol.Entities(text, request.IgnoredLabels))];
        }

        _metrics.Texts.Inc(request.Texts.Count);
        return InferenceProtocol.Write(request, results);
    }

    private async Task<IReadOnlyList<T>> ScoreAsync<T>(PreparedTexts<T> prepared, CancellationToken cancel) =>
        prepared.Read(await _queue.ScoreAsync(prepared.Windows, cancel));

    private PreparedTexts<TaggedText> PrepareWords(IReadOnlyList<string> texts)
    {
        try
        {
            return _tagger.Prepare(texts);
        }
        catch (NotSupportedException error)
        {
            throw RequestRefusedException.Bad(error.Message);
        }
    }

    private void CheckPath(HttpContext context, string path)
    {
        if (path == "/")
        {
            return;
        }

        if (!path.StartsWith(ModelsPath, StringComparison.Ordinal))
        {
            throw path is "/health" or "/metrics" or "/serve.css" or "/serve.js"
                ? NotAllowed(context, "GET, HEAD") : new RequestRefusedException(404, "There is no such address here; expected POST / or /models/NAME.");
        }

        // A slash in a name may come as %2F.
        if (!_settings.Names.Contains(path[ModelsPath.Length..].Replace("%2F", "/", StringComparison.OrdinalIgnoreCase), StringComparer.Ordinal))
        {
            throw new RequestRefusedException(404, $"There is no such model here; this server has {string.Join(", or by another name ", _settings.Names)}.");
        }
    }

    private async Task<ReadOnlyMemory<byte>> ReadAsync(HttpRequest request, CancellationToken cancel)
    {
        if (request.Headers.ContentEncoding.ToString() is { Length: > 0 } encoding && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            throw new RequestRefusedException(415, "Content-Encoding: expected none; this server takes requests as they are.");
        }

        try
        {
            var body = new MemoryStream();
            await request.Body.CopyToAsync(body, cancel);
            return body.GetBuffer().AsMemory(0, (int)body.Length);
        }
        catch (OperationCanceledException) when (!request.HttpContext.RequestAborted.IsCancellationRequested)
        {
            throw new RequestRefusedException(408, Invariant($"body: it did not come within {_settings.TimeLimit.TotalSeconds:0.###} s."));
        }
    }

    private static async Task RefuseAsync(HttpContext context, RequestRefusedException refused)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        if (refused.RetryAfter is { } seconds)
        {
            context.Response.Headers.RetryAfter = Invariant($"{seconds}");
        }

        if (refused.Status == 401)
        {
            context.Response.Headers.WWWAuthenticate = HttpMethods.IsPost(context.Request.Method)
                ? "Bearer" : "Basic realm=\"token as password\", charset=\"UTF-8\"";
        }

        try
        {
            await SendAsync(context, refused.Status, InferenceProtocol.Error(refused.Message), "application/json; charset=utf-8");
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be told.
        }
    }

    private static async Task SendAsync(HttpContext context, int status, byte[] content, string type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        context.Response.ContentLength = content.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(content, context.RequestAborted);
        }
    }

    /// <summary>The command listens to signals itself.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
