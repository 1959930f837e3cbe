namespace NotebookLib.Hub;

/// <summary>What every conversation with the Hub needs: settings, connections, patience, words for refusals, somebody who watches.</summary>
internal sealed class HubSession : IDisposable
{
    /// <exception cref="ArgumentException">A setting is wrong; all are named.</exception>
    public HubSession(HubSettings? settings, IHubObserver? observer, TimeProvider? clock)
    {
        Settings = settings ?? HubSettings.FromEnvironment();
        Settings.Validate();
        (Observer, Clock) = (observer, clock ?? TimeProvider.System);
        (Http, Retry, Refusals) = (new HubHttp(Settings, Clock), new HubRetry(Settings, Clock), new HubRefusals(Settings));
    }

    public HubSettings Settings { get; }

    public IHubObserver? Observer { get; }

    public TimeProvider Clock { get; }

    public HubHttp Http { get; }

    public HubRetry Retry { get; }

    public HubRefusals Refusals { get; }

    /// <summary>Sends a request, again and again as long as that may help.</summary>
    /// <param name="what">The deed, for messages.</param>
    /// <param name="method">The verb.</param>
    /// <param name="url">Absolute.</param>
    /// <param name="body">Makes the body, anew for each try; null: none.</param>
    /// <param name="cancel">Gives up.</param>
    /// <param name="headers">Further headers.</param>
    /// <param name="limit">After which one request counts as lost; null for the settings'.</param>
    /// <returns>The answer, refusals included.</returns>
    /// <exception cref="HubException">Unreachable.</exception>
    public Task<HubAnswer> SendAsync(
        string what, HttpMethod method, string url,
        Func<HttpContent?>? body, CancellationToken cancel, IReadOnlyList<(string Name, string Value)>? headers = null, TimeSpan? limit = null)
        => Retry.RunAsync(what, Observer, null, token => Http.SendAsync(method, url, body ?? (() => null), headers ?? [], token, limit), cancel);

    public TransferMeter Meter(HubRepo repo, string file, bool isUpload) => new(Observer, Clock, repo.ToString(), file, isUpload);

    /// <inheritdoc/>
    public void Dispose() => Http.Dispose();
}
