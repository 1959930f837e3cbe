using System.Text;
using NotebookLib.Hub;

namespace NotebookLib.Tracking;

/// <summary>What no text that leaves the process may hold: the W&amp;B key, in both its forms, and the Hub's token. A mask takes their place.</summary>
public sealed class Secrets
{
    private const string TokenMask = "<HF_TOKEN>";

    // What is shorter is nobody's token, and might stand in any word.
    private const int ShortestToken = 8;

    private readonly (string Text, string Mask)[] _masked;

    private Secrets(IEnumerable<(string Text, string Mask)> masked) => _masked = [.. masked];

    /// <summary>
    /// Those of this environment: W&amp;B's key (WANDB_API_KEY, netrc), the Hub's token (HF_TOKEN, HUGGING_FACE_HUB_TOKEN, its file), and what these variables
    /// hold though another wins over them, or they mean nothing.
    /// </summary>
    public static Secrets OfEnvironment()
    {
        var named = new[] { "WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN" }
            .Select(name => (Text: Environment.GetEnvironmentVariable(name)?.Trim() ?? "", Mask: $"<{name}>"))
            .Where(secret => secret.Text.Length >= ShortestToken);
        try
        {
            var settings = TrackingEnvironment.Read();
            return new([.. Of(settings.Key, settings.HubToken)._masked, .. named]);
        }
        catch (Exception fault) when (fault is ArgumentException or IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // Variables that mean nothing are told where a run is started.
            return new(named);
        }
    }

    /// <summary>A key and a token.</summary>
    internal static Secrets Of(WandbKey? key, HubToken? token)
        => new([.. key?.Masked ?? [], .. token is { Text.Length: >= ShortestToken } ? new[] { (token.Text, TokenMask) } : []]);

    /// <summary>The same text without secrets.</summary>
    /// <param name="text">Any text: a console line, a configuration value, a server's message.</param>
    public string Scrub(string text) => Scrub(text, mask => mask);

    /// <summary>The same page without secrets: the mask is one that a browser shows.</summary>
    /// <param name="html">A page's source.</param>
    public string ScrubHtml(string html) => Scrub(html, System.Net.WebUtility.HtmlEncode);

    private string Scrub(string text, Func<string, string> shown)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (var (secret, mask) in _masked)
        {
            text = text.Contains(secret, StringComparison.Ordinal) ? text.Replace(secret, shown(mask), StringComparison.Ordinal) : text;
        }

        return text;
    }

    /// <summary>Whether no secret occurs in a file's bytes.</summary>
    internal bool AreAbsentFrom(ReadOnlySpan<byte> bytes)
    {
        foreach (var (secret, _) in _masked)
        {
            if (bytes.IndexOf(Encoding.ASCII.GetBytes(secret)) >= 0)
            {
                return false;
            }
        }

        return true;
    }
}
