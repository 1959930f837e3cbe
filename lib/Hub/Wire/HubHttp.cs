using System.Net.Http.Headers;
using Flurl.Http;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>
/// Every call to the Hub is in this class. The token goes with requests to the Hub's own
/// scheme, host and port and with no other, whatever redirects say.
/// </summary>
internal sealed class HubHttp : IDisposable
{
    private const int MostRedirects = 10;

    // Until the Hub has answered once, that there is no network is the likeliest reason for silence.
    private const double FirstAnswerSeconds = 12;

    private readonly FlurlClient _client;
    private readonly HubSettings _settings;
    private readonly TimeProvider _clock;
    private readonly Uri _endpoint;
    private volatile bool _hasAnswered;

    public HubHttp(HubSettings settings, TimeProvider clock)
    {
        (_settings, _clock, _endpoint) = (settings, clock, new Uri(settings.Endpoint));
        _client = FlurlClients.Make(new() { ConnectTimeout = TimeSpan.FromSeconds(6), PooledConnectionLifetime = TimeSpan.FromMinutes(5) });
    }

    /// <summary>The address of a path of the Hub.</summary>
    public string Url(string path) => $"{_settings.Endpoint.TrimEnd('/')}/{path}";

    /// <summary>
    /// Asks about a file without fetching it. Follows redirects within the Hub (a renamed repository); one that leads elsewhere is the answer.
    /// </summary>
    /// <exception cref="TransientHubException">May pass.</exception>
    public async Task<HubAnswer> HeadAsync(string url, CancellationToken cancel)
    {
        for (var hop = 0; ; hop++)
        {
            var answer = await SendAsync(HttpMethod.Head, url, () => null, [], cancel).ConfigureAwait(false);
            if (!answer.IsRedirect || Uri.TryCreate(answer["Location"], UriKind.Absolute, out var target) && target.Scheme is "http" or "https"
                || hop == MostRedirects)
            {
                return answer;
            }

            url = Follow(url, answer["Location"]!);
        }
    }

    /// <summary>Sends a request and reads its short answer.</summary>
    /// <param name="method">The verb.</param>
    /// <param name="url">Absolute.</param>
    /// <param name="body">Makes the body, anew for each try.</param>
    /// <param name="headers">Further headers.</param>
    /// <param name="cancel">Gives up.</param>
    /// <param name="limit">After which the request counts as lost; null for the settings'.</param>
    /// <exception cref="TransientHubException">May pass.</exception>
    public async Task<HubAnswer> SendAsync(
        HttpMethod method, string url, Func<HttpContent?> body, IReadOnlyList<(string Name, string Value)> headers, CancellationToken cancel,
        TimeSpan? limit = null)
    {
        using var response = await CallAsync(method, url, body, headers, limit, HttpCompletionOption.ResponseContentRead, cancel).ConfigureAwait(false);
        return new HubAnswer((int)response.StatusCode, HubAnswer.Gather(response), await response.Content.ReadAsStringAsync(cancel).ConfigureAwait(false));
    }

    /// <summary>Begins to fetch a file, wherever redirects lead.</summary>
    /// <param name="url">Absolute.</param>
    /// <param name="from">The first byte wanted.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The answer, whose body is still to be read, and whether the Hub itself gave it.</returns>
    /// <exception cref="TransientHubException">May pass.</exception>
    public async Task<(HttpResponseMessage Response, bool IsHub)> OpenAsync(string url, long from, CancellationToken cancel)
    {
        IReadOnlyList<(string, string)> range = from > 0 ? [("Range", $"bytes={from}-")] : [];
        for (var hop = 0; ; hop++)
        {
            var response = await CallAsync(HttpMethod.Get, url, () => null, range, null, HttpCompletionOption.ResponseHeadersRead, cancel)
                .ConfigureAwait(false);
            if ((int)response.StatusCode is < 300 or >= 400 || response.Headers.Location is null)
            {
                return (response, IsHub(url));
            }

            var target = response.Headers.NonValidated["Location"].ToString();
            response.Dispose();
            url = hop < MostRedirects ? Follow(url, target) : throw new TransientHubException($"more than {MostRedirects} redirects");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private async Task<HttpResponseMessage> CallAsync(
        HttpMethod method, string url, Func<HttpContent?> body, IReadOnlyList<(string Name, string Value)> headers, TimeSpan? limit,
        HttpCompletionOption completion, CancellationToken cancel)
    {
        var patience = limit ?? TimeSpan.FromSeconds(_hasAnswered ? _settings.RequestSeconds : Math.Min(_settings.RequestSeconds, FirstAnswerSeconds));
        using var time = new CancellationTokenSource(patience, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancel);
        try
        {
            using var content = body();
            var response = (await Request(url, headers).SendAsync(method, content, completion, both.Token).ConfigureAwait(false)).ResponseMessage;
            _hasAnswered = true;
            ThrowIfTransient(response);
            return response;
        }
        catch (Exception fault) when (fault is FlurlHttpException or HttpRequestException or IOException or OperationCanceledException)
        {
            cancel.ThrowIfCancellationRequested();
            throw new TransientHubException(time.IsCancellationRequested ? Invariant($"no answer within {patience.TotalSeconds:0} s") : Reason(fault),
                isFirstContact: !_hasAnswered);
        }
    }

    private IFlurlRequest Request(string url, IReadOnlyList<(string Name, string Value)> headers)
    {
        var request = _client.RequestAsWritten(url).WithHeader("User-Agent", UserAgent).WithHeader("Accept-Encoding", "identity");
        foreach (var (name, value) in headers)
        {
            request.WithHeader(name, value);
        }

        return _settings.Token is { } token && IsHub(url) ? request.WithHeader("Authorization", token.AuthorizationHeader) : request;
    }

    private bool IsHub(string url) => new Uri(url) is var uri && uri.Scheme == _endpoint.Scheme && uri.Host == _endpoint.Host && uri.Port == _endpoint.Port;

    private static string Follow(string url, string target)
    {
        // A target without a scheme is relative, even where System.Uri reads "/path" as a file on Unix.
        var next = target.StartsWith('/') || !Uri.TryCreate(target, UriKind.Absolute, out var absolute)
            ? new Uri(FlurlClients.AsWritten(url), target) : absolute;
        return next.Scheme == "https" || (next.Scheme == "http" && new Uri(url).Scheme == "http")
            ? next.IsAbsoluteUri && target.Contains("://", StringComparison.Ordinal) ? target : next.AbsoluteUri
            : throw new HubException(HubFault.Refused, $"{new Uri(url).Host} redirects to an address that is not https; refused");
    }

    private void ThrowIfTransient(HttpResponseMessage response)
    {
        if ((int)response.StatusCode is 408 or 425 or 429 or 500 or 502 or 503 or 504)
        {
            var retryAfter = response.Headers.RetryAfter is { } header ? RetryAfter(header) : null;
            var status = (int)response.StatusCode;
            response.Dispose();
            throw new TransientHubException(status == 429 ? "the Hub wants fewer requests (HTTP 429)" : $"HTTP {status}", retryAfter);
        }
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue header) => header.Delta ?? (header.Date is { } date ? date - _clock.GetUtcNow() : null);

    // Flurl's own messages repeat the address, which may be signed.
    private static string Reason(Exception fault) =>
        fault.InnerException is { } inner ? Reason(inner) : fault is FlurlHttpException ? "the call failed" : fault.Message;

    private static string UserAgent { get; } = "NotebookLib/" + (typeof(HubHttp).Assembly.GetName().Version?.ToString(3) ?? "0");
}
