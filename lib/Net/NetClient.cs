using System.Collections.Concurrent;
using System.Net;
using Flurl.Http;
using NotebookLib.Platform;

namespace NotebookLib.Net;

/// <summary>One request.</summary>
/// <param name="Method">The verb.</param>
/// <param name="Url">Absolute; it goes out exactly as it is written.</param>
/// <param name="Limit">After which it counts as lost, beside what its body takes on a slow line.</param>
internal sealed record NetRequest(HttpMethod Method, string Url, TimeSpan Limit)
{
    /// <summary>Makes the body, anew for each try; null: none.</summary>
    public Func<HttpContent>? Body { get; init; }

    /// <summary>Names and values; those that belong to the body are put there.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Which statuses are no answers but failures that may pass.</summary>
    public Func<int, bool> MayPass { get; init; } = status => false;
}

/// <summary>An answer whose body is short.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Headers">By name, in any case.</param>
/// <param name="Body">The text.</param>
internal sealed record NetAnswer(int Status, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    public bool IsRedirect => Status is >= 300 and < 400 && this["Location"] is not null;

    public string? this[string header] => Headers.TryGetValue(header, out var value) && value.Length > 0 ? value : null;

    /// <summary>Reads a response's body.</summary>
    public static async Task<NetAnswer> OfAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated))
        {
            headers[name] = values.ToString();
        }

        return new((int)response.StatusCode, headers, await response.Content.ReadAsStringAsync(cancel).ConfigureAwait(false));
    }
}

/// <summary>
/// Connections to a server: every request to the Hub and to W&amp;B is sent here. It sends what it is told and nothing else: no redirect is followed (a key
/// must not follow one), no cookie kept, every status is an answer. What may pass is a <see cref="TransientException"/>, whose text names no address: that may
/// be signed.
/// </summary>
/// <param name="clock">Bounds requests.</param>
/// <param name="decompression">The packings of answers that are asked for.</param>
internal sealed class NetClient(TimeProvider clock, DecompressionMethods decompression) : IDisposable
{
    // The slowest line on which a body is waited for.
    private const double SlowestBytesPerSecond = 100_000;
    private const double ConnectSeconds = 6;
    private const long LargestAnswerBytes = 64 << 20;
    private static readonly HttpRequestOptionsKey<string> Address = new(nameof(Address));
    private static readonly string UserAgent = "NotebookLib/" + Provenance.Version;

    private readonly FlurlClient _client = new(
        new HttpClient(new AddressAsWritten
        {
            InnerHandler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                AutomaticDecompression = decompression,
                ConnectTimeout = TimeSpan.FromSeconds(ConnectSeconds),
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            },
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LargestAnswerBytes,
        })
    {
        Settings = { AllowedHttpStatusRange = "*", Timeout = Timeout.InfiniteTimeSpan, Redirects = { Enabled = false } },
    };

    private readonly ConcurrentDictionary<string, long> _furthest = new(StringComparer.Ordinal);
    private long _progress;
    private volatile bool _hasAnswered;

    /// <summary>Whether any answer has come. Until then that there is no network is the likeliest reason for silence.</summary>
    public bool HasAnswered => _hasAnswered;

    /// <summary>
    /// Grows with every answer but those that may pass, and with every byte of a file that goes out for the first time since one: a server that takes a file
    /// and fails, again and again, makes no progress.
    /// </summary>
    public long Progress => Interlocked.Read(ref _progress);

    /// <summary>An address whose escapes stay.</summary>
    public static Uri AsWritten(string url) => new(url, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>A stretch of a file as a body.</summary>
    /// <param name="path">The file.</param>
    /// <param name="offset">Where the stretch begins, in bytes.</param>
    /// <param name="length">How long it is; null: to the end.</param>
    /// <param name="onBytes">Hears how many bytes have left.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public HttpContent FileContent(string path, long offset = 0, long? length = null, Action<int>? onBytes = null)
    {
        var end = offset;
        return new FileStretch(path, offset, length ?? new FileInfo(path).Length - offset, count =>
        {
            end += count;
            var before = _furthest.GetOrAdd(path, offset);
            if (end > before && _furthest.TryUpdate(path, end, before))
            {
                Interlocked.Add(ref _progress, end - before);
            }

            onBytes?.Invoke(count);
        });
    }

    /// <summary>Sends a request and reads its short answer.</summary>
    /// <exception cref="TransientException">May pass.</exception>
    /// <exception cref="OperationCanceledException">Given up.</exception>
    public async Task<NetAnswer> SendAsync(NetRequest request, CancellationToken cancel)
    {
        using var response = await OpenAsync(request, cancel, HttpCompletionOption.ResponseContentRead).ConfigureAwait(false);
        return await NetAnswer.OfAsync(response, cancel).ConfigureAwait(false);
    }

    /// <summary>Sends a request; the answer's body is still to be read.</summary>
    /// <inheritdoc cref="SendAsync"/>
    public async Task<HttpResponseMessage> OpenAsync(
        NetRequest request, CancellationToken cancel, HttpCompletionOption completion = HttpCompletionOption.ResponseHeadersRead)
    {
        // Outside of the try: a file that is gone will not come back by waiting.
        using var body = Body(request);
        var limit = request.Limit + TimeSpan.FromSeconds((body?.Headers.ContentLength ?? 0) / SlowestBytesPerSecond);
        using var time = new CancellationTokenSource(limit, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancel);
        HttpResponseMessage response;
        try
        {
            response = (await Prepared(request).SendAsync(request.Method, body, completion, both.Token).ConfigureAwait(false)).ResponseMessage;
        }
        catch (Exception fault) when (fault is FlurlHttpException or HttpRequestException or IOException or OperationCanceledException)
        {
            cancel.ThrowIfCancellationRequested();
            var reason = time.IsCancellationRequested ? Invariant($"no answer within {limit.TotalSeconds:0} s") : Reason(fault);
            throw new TransientException(reason) { IsFirstContact = !_hasAnswered };
        }

        _hasAnswered = true;
        var status = (int)response.StatusCode;
        if (!request.MayPass(status))
        {
            Interlocked.Increment(ref _progress);
            _furthest.Clear();
            return response;
        }

        using (response)
        {
            throw new TransientException(status == 429 ? "HTTP 429, the server wants fewer requests" : $"HTTP {status}") { RetryAfter = RetryAfter(response) };
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private static HttpContent? Body(NetRequest request)
    {
        var body = request.Body?.Invoke();
        foreach (var (name, value) in request.Headers.Where(header => IsOfBody(header.Name)))
        {
            body?.Headers.Remove(name);
            body?.Headers.TryAddWithoutValidation(name, value);
        }

        return body;
    }

    private IFlurlRequest Prepared(NetRequest request)
    {
        var prepared = new FlurlRequest(request.Url) { Client = _client }.BeforeCall(call => call.HttpRequestMessage.Options.Set(Address, request.Url));
        prepared.WithHeader("User-Agent", UserAgent);
        foreach (var (name, value) in request.Headers.Where(header => !IsOfBody(header.Name)))
        {
            prepared.WithHeader(name, value);
        }

        return prepared;
    }

    // What Flurl finds on a body it sends with the request as well, except for these.
    private static bool IsOfBody(string name)
        => name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase) || name.ToUpperInvariant() is "ALLOW" or "EXPIRES" or "LAST-MODIFIED";

    private TimeSpan? RetryAfter(HttpResponseMessage response)
        => response.Headers.RetryAfter is { } header ? header.Delta ?? (header.Date is { } date ? date - clock.GetUtcNow() : null) : null;

    // Flurl's own messages repeat the address.
    private static string Reason(Exception fault) => fault switch
    {
        FlurlHttpTimeoutException => Invariant($"no connection within {ConnectSeconds} s"),
        { InnerException: { } inner } => Reason(inner),
        FlurlHttpException => "the call failed",
        _ => fault.Message,
    };

    /// <summary>
    /// Sends to the address as it is written: a signed one holds escapes that System.Uri, and Flurl, would rewrite. Flurl sets a request's address once more
    /// after its last event, so this is the first place where it stays.
    /// </summary>
    private sealed class AddressAsWritten : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.Options.TryGetValue(Address, out var url))
            {
                request.RequestUri = AsWritten(url);
            }

            return base.SendAsync(request, cancellationToken);
        }
    }

    /// <summary>A stretch of a file, counted while it leaves.</summary>
    private sealed class FileStretch(string path, long offset, long length, Action<int> onBytes) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
            => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            var share = FileShare.ReadWrite | FileShare.Delete;
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, share, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);
            await using (file.ConfigureAwait(false))
            {
                file.Seek(offset, SeekOrigin.Begin);
                var buffer = new byte[1 << 17];
                for (var left = length; left > 0;)
                {
                    var count = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken).ConfigureAwait(false);
                    if (count == 0)
                    {
                        throw new IOException($"{path}: became shorter while it was sent");
                    }

                    await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                    onBytes(count);
                    left -= count;
                }
            }
        }

        protected override bool TryComputeLength(out long computed)
        {
            computed = length;
            return true;
        }
    }
}
