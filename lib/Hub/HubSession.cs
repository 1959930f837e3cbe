using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>
/// A conversation with the Hub: every call to it is in this class. The token goes with requests to the Hub's own scheme, host and port and with no other,
/// whatever redirects say.
/// </summary>
internal sealed class HubSession : IDisposable
{
    private const int MostRedirects = 10;

    // Until the Hub has answered once, that there is no network is the likeliest reason for silence.
    private const double FirstAnswerSeconds = 12;

    private readonly NetClient _net;
    private readonly Patience _patience;
    private readonly Uri _endpoint;

    /// <exception cref="ArgumentException">A setting is wrong; all are named.</exception>
    public HubSession(HubSettings? settings, IHubObserver? observer, TimeProvider? clock)
    {
        Settings = settings ?? HubSettings.FromEnvironment();
        Settings.Validate();
        (Observer, Clock, _endpoint) = (observer, clock ?? TimeProvider.System, new Uri(Settings.Endpoint));
        _net = new(Clock, DecompressionMethods.None);
        _patience = new(Settings.RetrySeconds, 30 * Settings.RetrySeconds, Settings.Tries) { LongestRetryAfter = TimeSpan.FromMinutes(10), IsWatched = true };
    }

    public HubSettings Settings { get; }

    public IHubObserver? Observer { get; }

    public TimeProvider Clock { get; }

    /// <summary>The address of a path of the Hub.</summary>
    public string Url(string path) => $"{Settings.Endpoint.TrimEnd('/')}/{path}";

    public TransferMeter Meter(HubRepo repo, string file, bool isUpload) => new(Observer, Clock, repo.ToString(), file, isUpload);

    /// <summary>A stretch of a file as a body.</summary>
    public HttpContent FileContent(string path, long offset, long length, Action<int> onBytes) => _net.FileContent(path, offset, length, onBytes);

    /// <summary>Does something until it works or the tries are used up.</summary>
    /// <param name="what">The deed, for messages.</param>
    /// <param name="tries">How often to try again; null for the settings'.</param>
    /// <param name="work">Throws <see cref="TransientException"/> for what may pass.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="HubException">Unreachable: it never worked.</exception>
    public async Task<T> RetryAsync<T>(string what, int? tries, Func<CancellationToken, Task<T>> work, CancellationToken cancel)
    {
        var count = 0;
        try
        {
            return await (_patience with { Tries = tries ?? Settings.Tries }).RunAsync(Clock, SayWait, Try, cancel).ConfigureAwait(false);
        }
        catch (TransientException last) when (last.IsFirstContact)
        {
            throw new HubException(HubFault.Unreachable, $"{what}: {Settings.Endpoint} cannot be reached ({last.Message.TrimEnd('.')}); is there a network?");
        }
        catch (TransientException last)
        {
            var asked = last.RetryAfter is { } wait ? Invariant($"; the Hub asks to wait {wait.TotalSeconds:0} s") : "";
            throw new HubException(HubFault.Unreachable, $"{what}: {last.Message}{asked} (tried {count} {(count == 1 ? "time" : "times")}). "
                + "Run it again later: what has arrived is kept. HF_HUB_OFFLINE=1 works from the cache alone");
        }

        Task<T> Try(CancellationToken token)
        {
            count++;
            return work(token);
        }

        void SayWait(string reason, TimeSpan wait) => Observer?.Noticed(Invariant($"{what}: {reason}; trying again in {wait.TotalSeconds:0.#} s"));
    }

    /// <summary>
    /// Asks about a file without fetching it. Follows redirects within the Hub (a renamed repository); one that leads elsewhere is the answer.
    /// </summary>
    /// <param name="what">The deed, for messages.</param>
    /// <param name="url">Absolute.</param>
    /// <param name="tries">How often to try again; null for the settings'.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="HubException">Unreachable.</exception>
    public Task<NetAnswer> HeadAsync(string what, string url, int? tries, CancellationToken cancel)
        => RetryAsync(what, tries, token => FollowAsync(what, url, token), cancel);

    /// <summary>Sends a request, again and again as long as that may help.</summary>
    /// <param name="what">The deed, for messages.</param>
    /// <param name="method">The verb.</param>
    /// <param name="url">Absolute.</param>
    /// <param name="body">Makes the body, anew for each try; null: none.</param>
    /// <param name="cancel">Gives up.</param>
    /// <param name="headers">Further headers.</param>
    /// <returns>The answer, refusals included.</returns>
    /// <exception cref="HubException">Unreachable.</exception>
    public Task<NetAnswer> SendAsync(
        string what, HttpMethod method, string url, Func<HttpContent>? body, CancellationToken cancel,
        IReadOnlyList<(string Name, string Value)>? headers = null)
        => RetryAsync(what, null, token => _net.SendAsync(Request(method, url, headers ?? []) with { Body = body }, token), cancel);

    /// <summary>Begins to fetch a file, wherever redirects lead.</summary>
    /// <param name="what">The deed, for messages.</param>
    /// <param name="url">Absolute.</param>
    /// <param name="from">The first byte wanted.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The answer, whose body is still to be read, and whether the Hub itself gave it.</returns>
    /// <exception cref="TransientException">May pass.</exception>
    public async Task<(HttpResponseMessage Response, bool IsHub)> OpenAsync(string what, string url, long from, CancellationToken cancel)
    {
        IReadOnlyList<(string, string)> range = from > 0 ? [("Range", $"bytes={from}-")] : [];
        for (var hop = 0; ; hop++)
        {
            var response = await _net.OpenAsync(Request(HttpMethod.Get, url, range), cancel).ConfigureAwait(false);
            if ((int)response.StatusCode is < 300 or >= 400 || response.Headers.Location is null)
            {
                return (response, IsHub(url));
            }

            var target = response.Headers.NonValidated["Location"].ToString();
            response.Dispose();
            url = hop < MostRedirects ? Follow(what, url, target) : throw new TransientException($"more than {MostRedirects} redirects");
        }
    }

    /// <summary>The exception for a refused request about a repository, or about a file of it.</summary>
    public HubException Refusal(NetAnswer answer, HubRepo repo, string revision = "main", string? file = null)
        => HubException.Of(Settings, answer, repo, revision, file);

    /// <summary>An answer's body as JSON.</summary>
    /// <exception cref="HubException">It is none.</exception>
    public static JsonNode Json(NetAnswer answer, string what)
    {
        try
        {
            return StrictJson.ParseNode(answer.Body, 32) ?? throw new JsonException("null");
        }
        catch (JsonException)
        {
            throw new HubException(
                HubFault.BadAnswer, $"{what}: expected JSON, the Hub answered \"{Excerpt.Long(answer.Body)}\"; is HF_ENDPOINT the address of a Hub?");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _net.Dispose();

    private async Task<NetAnswer> FollowAsync(string what, string url, CancellationToken cancel)
    {
        for (var hop = 0; ; hop++)
        {
            var answer = await _net.SendAsync(Request(HttpMethod.Head, url, []), cancel).ConfigureAwait(false);
            var leadsElsewhere = Uri.TryCreate(answer["Location"], UriKind.Absolute, out var target) && target.Scheme is "http" or "https";
            if (!answer.IsRedirect || leadsElsewhere || hop == MostRedirects)
            {
                return answer;
            }

            url = Follow(what, url, answer["Location"]!);
        }
    }

    private NetRequest Request(HttpMethod method, string url, IReadOnlyList<(string Name, string Value)> headers)
    {
        var limit = _net.HasAnswered ? Settings.RequestSeconds : Math.Min(Settings.RequestSeconds, FirstAnswerSeconds);
        IReadOnlyList<(string, string)> token = Settings.Token is { } secret && IsHub(url) ? [("Authorization", secret.AuthorizationHeader)] : [];
        return new(method, url, TimeSpan.FromSeconds(limit))
        {
            // Bytes are counted and hashed as the Hub keeps them. Its own host is told who asks, whatever a caller's headers say.
            Headers = [("Accept-Encoding", "identity"), .. headers, .. token],
            MayPass = status => status is 408 or 425 or 429 or 500 or 502 or 503 or 504,
        };
    }

    private bool IsHub(string url) => new Uri(url) is var uri && uri.Scheme == _endpoint.Scheme && uri.Host == _endpoint.Host && uri.Port == _endpoint.Port;

    private static string Follow(string what, string url, string target)
    {
        // A target without a scheme is relative, even where System.Uri reads "/path" as a file on Unix.
        var isAbsolute = !target.StartsWith('/') && Uri.TryCreate(target, UriKind.Absolute, out _);
        if (!Uri.TryCreate(NetClient.AsWritten(url), target, out var next))
        {
            throw new HubException(HubFault.BadAnswer, $"{what}: {new Uri(url).Host} redirects to \"{Excerpt.Long(target)}\", which is no address");
        }

        return next.Scheme == "https" || (next.Scheme == "http" && new Uri(url).Scheme == "http")
            ? isAbsolute ? target : next.AbsoluteUri
            : throw new HubException(HubFault.Refused,
                $"{what}: {new Uri(url).Host} redirects to an address that is not https but {Excerpt.Of(next.Scheme)}; refused");
    }
}
