using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace NotebookRunner.Serving;

/// <summary>Who may ask a server.</summary>
internal static class CallerRules
{
    /// <summary>
    /// Lets in who may come: with the token where there is one; by this machine's own names, where only this machine is listened to; not from another site's
    /// page.
    /// </summary>
    /// <exception cref="RequestRefusedException">This one may not.</exception>
    public static void Check(HttpRequest request, ServerSettings settings)
    {
        // Another site's name may lead here (DNS rebinding), and its pages would then count as ours.
        if (IPAddress.IsLoopback(settings.Host) && !IsLoopback(request.Host.Host))
        {
            throw new RequestRefusedException(403, "Host: expected localhost or a loopback address; this server answers this machine alone.");
        }

        if (settings.Token is { } token && !Shows(request, token))
        {
            throw new RequestRefusedException(401, "Authorization: expected the server's token, as in Authorization: Bearer TOKEN.");
        }

        if (HttpMethods.IsPost(request.Method) && IsFromElsewhere(request))
        {
            throw new RequestRefusedException(403, "Origin: another site's page may not ask this server.");
        }
    }

    private static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    /// <summary>Programs show a token as Bearer; browsers ask their user for a name, which may be anything, and a password.</summary>
    private static bool Shows(HttpRequest request, string token)
    {
        var given = request.Headers.Authorization.ToString().Split(' ', 2, StringSplitOptions.TrimEntries);
        var shown = given is not [var scheme, var value] ? ""
            : scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase) ? value
            : scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase) ? PasswordOf(value) : "";
        return CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(shown)), SHA256.HashData(Encoding.UTF8.GetBytes(token)));
    }

    private static string PasswordOf(string credentials)
    {
        var bytes = new byte[credentials.Length];
        var text = Convert.TryFromBase64String(credentials, bytes, out var count) ? Encoding.UTF8.GetString(bytes.AsSpan(0, count)) : "";
        return text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..];
    }

    /// <summary>Whether a browser says that a page of another site asks; programs say nothing.</summary>
    private static bool IsFromElsewhere(HttpRequest request) =>
        request.Headers["Sec-Fetch-Site"].ToString() is { Length: > 0 } site ? site is not ("same-origin" or "none")
        : request.Headers.Origin.ToString() is { Length: > 0 } origin
            && !(Uri.TryCreate(origin, UriKind.Absolute, out var from) && from.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase));
}
