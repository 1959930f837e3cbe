namespace NotebookLib.Hub;

/// <summary>An access token, which no text ever shows: neither this object's own nor a message that repeats what a server said.</summary>
public sealed class HubToken
{
    private readonly string _secret;

    /// <summary>Wraps a token.</summary>
    /// <param name="secret">The token as the Hub gives it; line ends around it are dropped.</param>
    /// <exception cref="ArgumentException">It is empty, or no header can carry it; the message does not repeat it.</exception>
    public HubToken(string secret)
    {
        ArgumentNullException.ThrowIfNull(secret);
        _secret = secret.Trim();
        if (_secret.Length is 0 or > 4096 || _secret.Any(c => c is <= ' ' or > '~'))
        {
            throw new ArgumentException("HF_TOKEN: expected one word of visible ASCII characters such as hf_…; copy it again from the Hub's settings page");
        }
    }

    /// <summary>The token that the Hub would be asked with, or null; one that cannot be read is none.</summary>
    internal static HubToken? OfEnvironment()
    {
        try
        {
            return HubSettings.FromEnvironment().Token;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    internal string Text => _secret;

    internal string AuthorizationHeader => "Bearer " + _secret;

    /// <summary>A text without the token.</summary>
    internal string RemoveFrom(string text) => text.Replace(_secret, "***", StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => "***";
}
