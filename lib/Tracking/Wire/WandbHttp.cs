using System.Net;
using System.Net.Http.Headers;
using Flurl.Http;
using NotebookLib.Platform;
using Polly;

namespace NotebookLib.Tracking;

/// <summary>One answer of the server.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">The text.</param>
/// <param name="Tries">How many requests it took.</param>
internal readonly record struct HttpAnswer(int Status, string Body, int Tries)
{
    public bool IsSuccess => Status is >= 200 and < 300;
}

/// <summary>
/// Every call to the server is in this class. Two clients: the API's, which carries the key, and the storage's, which must not.
/// </summary>
internal sealed class WandbHttp : IDisposable
{
    private const double SlowestUploadBytesPerSecond = 100_000;

    private readonly FlurlClient _api;
    private readonly FlurlClient _storage;
    private readonly string _authorization;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _limit;
    private readonly ResiliencePipeline _calls;
    private readonly ResiliencePipeline _stream;
    private long _progress;

    /// <summary>Makes the clients; nothing is sent.</summary>
    /// <param name="baseUrl">The API's address.</param>
    /// <param name="key">The API key.</param>
    /// <param name="requestSeconds">After which a request counts as lost.</param>
    /// <param name="clock">Waits between tries and bounds requests.</param>
    /// <param name="onRetry">Hears of each wait and its reason.</param>
    /// <param name="streamPatience">When the stream of rows is tried again; default: for days.</param>
    public WandbHttp(
        string baseUrl, WandbKey key, double requestSeconds, TimeProvider clock, Action<string, TimeSpan> onRetry, RetryPolicy? streamPatience = null)
    {
        (_clock, _limit, _authorization) = (clock, TimeSpan.FromSeconds(requestSeconds), key.AuthorizationHeader);
        (_calls, _stream) = (RetryPolicy.Calls.Build(clock, onRetry), (streamPatience ?? RetryPolicy.Stream).Build(clock, onRetry));
        BaseUrl = baseUrl.TrimEnd('/');
        (_api, _storage) = (Client(), Client());
    }

    public string BaseUrl { get; }

    /// <summary>Grows with every answer and every byte of a file that goes out.</summary>
    public long Progress => Interlocked.Read(ref _progress);

    /// <summary>POSTs JSON to a path of the API, again and again as the policy says.</summary>
    /// <param name="path">Below the base address, with escaped segments.</param>
    /// <param name="body">UTF-8 JSON, possibly compressed.</param>
    /// <param name="isGzip">Whether it is compressed.</param>
    /// <param name="isStream">Whether the stream's patience applies.</param>
    /// <param name="retryConflict">Whether 409 may pass (UpsertBucket).</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="TransientException">All tries failed.</exception>
    /// <exception cref="OperationCanceledException">Given up.</exception>
    public async Task<HttpAnswer> PostAsync(string path, ReadOnlyMemory<byte> body, bool isGzip, bool isStream, bool retryConflict, CancellationToken cancel)
    {
        var tries = 0;
        var answer = await (isStream ? _stream : _calls).ExecuteAsync(
            async token =>
            {
                tries++;
                return Judge(await SendAsync(() => ApiRequest(path), HttpMethod.Post, () => JsonContent(body, isGzip), _limit, token).ConfigureAwait(false),
                    retryConflict);
            },
            cancel).ConfigureAwait(false);
        return answer with { Tries = tries };
    }

    /// <summary>PUTs a file to an address that the server handed out, with its headers and nothing else.</summary>
    /// <param name="url">Absolute, or a path of the API's host.</param>
    /// <param name="headers">"Name:Value" strings.</param>
    /// <param name="file">The file.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="TransientException">All tries failed.</exception>
    /// <exception cref="TrackingException">The address is none to send files to.</exception>
    /// <exception cref="OperationCanceledException">Given up.</exception>
    public async Task<HttpAnswer> PutAsync(string url, IReadOnlyList<string> headers, string file, CancellationToken cancel)
    {
        var address = url.StartsWith('/') ? BaseUrl + url : url;
        if (!Uri.TryCreate(address, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("http" or "https"))
        {
            throw new TrackingException(TrackingFault.Refused, "the server handed out an upload address that is neither http nor https");
        }

        var limit = _limit + TimeSpan.FromSeconds(new FileInfo(file).Length / SlowestUploadBytesPerSecond);
        return await _calls.ExecuteAsync(
            async token =>
                Judge(await SendAsync(() => StorageRequest(address, headers), HttpMethod.Put, () => FileContent(file, headers), limit, token)
                    .ConfigureAwait(false), false),
            cancel).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _api.Dispose();
        _storage.Dispose();
    }

    private async Task<(HttpAnswer Answer, TimeSpan? RetryAfter)> SendAsync(
        Func<IFlurlRequest> request, HttpMethod method, Func<HttpContent> content, TimeSpan limit, CancellationToken cancel)
    {
        using var time = new CancellationTokenSource(limit, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancel);
        // Outside of the try: a file that is gone will not come back by waiting.
        using var body = content();
        try
        {
            using var response = (await request().SendAsync(method, body, HttpCompletionOption.ResponseContentRead, both.Token)
                .ConfigureAwait(false)).ResponseMessage;
            var text = await response.Content.ReadAsStringAsync(both.Token).ConfigureAwait(false);
            Interlocked.Increment(ref _progress);
            return (new HttpAnswer((int)response.StatusCode, text, 1), RetryAfter(response.Headers.RetryAfter));
        }
        catch (Exception fault) when (fault is FlurlHttpException or HttpRequestException or IOException or OperationCanceledException)
        {
            cancel.ThrowIfCancellationRequested();
            throw new TransientException(time.IsCancellationRequested || fault is FlurlHttpTimeoutException
                ? Invariant($"no answer within {limit.TotalSeconds:0} s") : Innermost(fault));
        }
    }

    private static HttpAnswer Judge((HttpAnswer Answer, TimeSpan? RetryAfter) sent, bool retryConflict)
    {
        var (answer, retryAfter) = sent;
        var mayPass = !answer.IsSuccess && (!RetryPolicy.IsFinal(answer.Status) || (retryConflict && answer.Status == 409));
        return mayPass ? throw new TransientException($"HTTP {answer.Status}", retryAfter) : answer;
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue? header) => header?.Delta ?? (header?.Date is { } date ? date - _clock.GetUtcNow() : null);

    private IFlurlRequest ApiRequest(string path) =>
        new FlurlRequest(BaseUrl + path) { Client = _api }.WithHeader("User-Agent", UserAgent).WithHeader("Authorization", _authorization);

    private IFlurlRequest StorageRequest(string url, IReadOnlyList<string> headers)
    {
        var request = _storage.RequestAsWritten(url).WithHeader("User-Agent", UserAgent);
        foreach (var (name, value) in Named(headers).Where(header => !IsOfContent(header.Name)))
        {
            request.WithHeader(name, value);
        }

        return request;
    }

    private static ReadOnlyMemoryContent JsonContent(ReadOnlyMemory<byte> body, bool isGzip)
    {
        var content = new ReadOnlyMemoryContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (isGzip)
        {
            content.Headers.ContentEncoding.Add("gzip");
        }

        return content;
    }

    private StreamContent FileContent(string file, IReadOnlyList<string> headers)
    {
        var content = new StreamContent(new WatchedFile(file, bytes => Interlocked.Add(ref _progress, bytes)));
        foreach (var (name, value) in Named(headers).Where(header => IsOfContent(header.Name)))
        {
            content.Headers.TryAddWithoutValidation(name, value);
        }

        return content;
    }

    // Only the first colon separates: the value may hold more.
    private static IEnumerable<(string Name, string Value)> Named(IReadOnlyList<string> headers) => headers
        .Select(header => header.Split(':', 2)).Where(parts => parts is [{ Length: > 0 }, _]).Select(parts => (parts[0].Trim(), parts[1].Trim()));

    // What Flurl finds on a content it sends with the request as well, except for these.
    private static bool IsOfContent(string name) =>
        name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase) || name.ToUpperInvariant() is "ALLOW" or "EXPIRES" or "LAST-MODIFIED";

    /// <summary>A file that tells how much of it was read.</summary>
    private sealed class WatchedFile(string path, Action<int> onRead)
        : FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 16, useAsync: true)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            onRead(read);
            return read;
        }
    }

    private static string UserAgent { get; } = "NotebookLib/" + (typeof(WandbHttp).Assembly.GetName().Version?.ToString(3) ?? "0");

    private static string Innermost(Exception fault) => fault.InnerException is { } inner ? Innermost(inner) : fault.Message;

    private static FlurlClient Client() =>
        FlurlClients.Make(new() { AutomaticDecompression = DecompressionMethods.All, PooledConnectionLifetime = TimeSpan.FromMinutes(5) });
}
