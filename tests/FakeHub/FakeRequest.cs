using System.Text;
using System.Text.Json.Nodes;

namespace NotebookLib.FakeHub;

/// <summary>A request as it arrived.</summary>
/// <param name="Method">The verb.</param>
/// <param name="Target">Path and query as sent.</param>
/// <param name="IsStorage">Whether it went to the storage host, which is another origin than the Hub.</param>
/// <param name="Headers">By name, in any case.</param>
/// <param name="Body">What was sent; empty for uploads to storage, which are kept elsewhere.</param>
public sealed record FakeRequest(string Method, string Target, bool IsStorage, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public string? this[string header] => Headers.GetValueOrDefault(header);

    /// <summary>Path without query, unescaped.</summary>
    public string Path => Uri.UnescapeDataString(Target.Split('?')[0]);

    public string Text => Encoding.UTF8.GetString(Body);

    public JsonNode Json => JsonNode.Parse(Body)!;

    public override string ToString() => $"{Method} {Target}";
}

/// <summary>What happens instead of, or to, an answer.</summary>
public sealed record FakeFault
{
    /// <summary>An error status; 0: the answer itself is sent.</summary>
    public int Status { get; init; }

    /// <summary>Value of Retry-After.</summary>
    public string? RetryAfter { get; init; }

    /// <summary>Values of X-Error-Code and X-Error-Message.</summary>
    public (string Code, string Message)? Error { get; init; }

    /// <summary>Break the connection before any answer.</summary>
    public bool Reset { get; init; }

    /// <summary>Break the connection after so many bytes of the body.</summary>
    public long? ResetAfterBytes { get; init; }

    /// <summary>End the body, properly, after so many bytes.</summary>
    public long? TruncateToBytes { get; init; }

    /// <summary>Change one byte of the body.</summary>
    public bool Damage { get; init; }

    /// <summary>Behave as a server that knows no ranges.</summary>
    public bool IgnoreRange { get; init; }

    /// <summary>Redirect to this address.</summary>
    public string? RedirectTo { get; init; }

    /// <summary>Headers that replace the answer's.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>A body that replaces the answer's.</summary>
    public string? Body { get; init; }

    /// <summary>Do what the request asks before failing: a lost answer.</summary>
    public bool AfterApplying { get; init; }

    /// <summary>Bytes a second of a body; 0: no limit.</summary>
    public long BytesPerSecond { get; init; }
}
