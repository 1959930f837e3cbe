using Flurl.Http;

namespace NotebookLib.Platform;

/// <summary>
/// Clients of Flurl that send what they are told and nothing else: no redirect is followed (a key must not follow one), no cookie kept, every status is an
/// answer.
/// </summary>
internal static class FlurlClients
{
    private const long LargestAnswerBytes = 64 << 20;
    private static readonly HttpRequestOptionsKey<string> Address = new(nameof(Address));

    /// <summary>Makes a client without a limit of time: its callers bring their own.</summary>
    /// <param name="handler">How it connects; redirects and cookies are switched off.</param>
    public static FlurlClient Make(SocketsHttpHandler handler)
    {
        (handler.AllowAutoRedirect, handler.UseCookies) = (false, false);
        var http = new HttpClient(new AddressAsWritten { InnerHandler = handler })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LargestAnswerBytes
        };
        return new FlurlClient(http) { Settings = { AllowedHttpStatusRange = "*", Timeout = Timeout.InfiniteTimeSpan, Redirects = { Enabled = false } } };
    }

    /// <summary>A request to an address that goes out exactly as it is written: a signed one holds escapes that System.Uri, and Flurl, would rewrite.</summary>
    public static IFlurlRequest RequestAsWritten(this FlurlClient client, string url)
        => new FlurlRequest(url) { Client = client }.BeforeCall(call => call.HttpRequestMessage.Options.Set(Address, url));

    /// <summary>An address whose escapes stay.</summary>
    public static Uri AsWritten(string url) => new(url, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>Flurl sets a request's address once more after its last event, so this is the first place where it stays.</summary>
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
}
