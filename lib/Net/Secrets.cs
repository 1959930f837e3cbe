using System.Net;
using System.Text;

namespace NotebookLib.Net;

/// <summary>A key or token, which no text ever shows: it reaches the Authorization header and nothing else.</summary>
internal sealed class Secret
{
    /// <summary>Wraps a secret.</summary>
    /// <param name="text">The secret itself.</param>
    /// <param name="mask">What stands in its place wherever somebody's text contained it.</param>
    /// <param name="scheme">The header's scheme: Bearer, Basic.</param>
    /// <param name="credentials">What stands behind the scheme; null: the secret itself.</param>
    internal Secret(string text, string mask, string scheme = "Bearer", string? credentials = null)
        => (Text, Mask, AuthorizationHeader, Forms) = (text, mask, $"{scheme} {credentials ?? text}", credentials is null ? [text] : [text, credentials]);

    /// <summary>The value of the Authorization header.</summary>
    internal string AuthorizationHeader { get; }

    /// <summary>The texts in which it may occur.</summary>
    internal IReadOnlyList<string> Forms { get; }

    internal string Text { get; }

    internal string Mask { get; }

    /// <summary>The mask, never the secret.</summary>
    public override string ToString() => Mask;

    /// <summary>A text, for example a server's message, without the secret.</summary>
    internal string RemoveFrom(string text) => Forms.Aggregate(text, (clean, form) => clean.Replace(form, Mask, StringComparison.Ordinal));
}

/// <summary>What no text that leaves the process may hold: W&amp;B's key, in both its forms, and the Hub's token. A mask takes their place.</summary>
internal sealed class Secrets
{
    // What is shorter is nobody's token, and might stand in any word.
    private const int Shortest = 8;

    private readonly (string Text, string Mask)[] _masked;

    internal Secrets(params IEnumerable<Secret?> secrets) => _masked =
    [
        .. secrets.OfType<Secret>().Where(secret => secret.Text.Length >= Shortest).SelectMany(secret => secret.Forms.Select(form => (form, secret.Mask))),
    ];

    /// <summary>Nothing is masked.</summary>
    internal static Secrets None { get; } = new();

    /// <summary>The same text without secrets.</summary>
    /// <param name="text">Any text: a console line, a configuration value, a server's message.</param>
    public string Scrub(string text) => Scrub(text, mask => mask);

    /// <summary>The same page without secrets: the mask is one that a browser shows.</summary>
    /// <param name="html">A page's source.</param>
    public string ScrubHtml(string html) => Scrub(html, WebUtility.HtmlEncode);

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

    private string Scrub(string text, Func<string, string> shown)
    {
        foreach (var (secret, mask) in _masked)
        {
            text = text.Contains(secret, StringComparison.Ordinal) ? text.Replace(secret, shown(mask), StringComparison.Ordinal) : text;
        }

        return text;
    }
}
