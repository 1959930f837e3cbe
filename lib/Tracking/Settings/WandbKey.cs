using System.Text;

namespace NotebookLib.Tracking;

/// <summary>A W&amp;B API key that cannot be printed: its text reaches the Authorization header and nothing else.</summary>
public sealed class WandbKey
{
    /// <summary>What stands in the key's place wherever somebody's text contained it.</summary>
    public const string Mask = "<WANDB_API_KEY>";

    private const int ShortestKey = 8;
    private readonly string _text;

    /// <summary>Takes a key.</summary>
    /// <param name="text">The key, as W&amp;B's authorize page shows it.</param>
    /// <exception cref="ArgumentException">The key is shorter than 8 characters or holds others than letters, digits, - _ and dot; the message does not contain
    /// it.</exception>
    public WandbKey(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var trimmed = text.Trim();
        // Characters that no escaping changes: so the key is found wherever somebody's text holds it.
        if (trimmed.Length < ShortestKey || !trimmed.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
        {
            throw new ArgumentException(
                $"the W&B API key must be at least {ShortestKey} letters, digits, - _ or dots, found {trimmed.Length} characters; "
                    + "copy it again from the server's /authorize page");
        }

        _text = trimmed;
    }

    /// <summary>The value of the Authorization header: Basic, user "api" (WANDB.md §1).</summary>
    internal string AuthorizationHeader => "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("api:" + _text));

    /// <summary>The key and its form in the header, with what takes their place.</summary>
    internal IReadOnlyList<(string Text, string Mask)> Masked => [(_text, Mask), (AuthorizationHeader["Basic ".Length..], Mask)];

    /// <summary>Replaces the key, and its form in the header, by <see cref="Mask"/> in a text that leaves the process.</summary>
    /// <param name="text">Any text: a console line, a configuration value, a server's message.</param>
    /// <returns>The same text without the key.</returns>
    public string Scrub(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var header = AuthorizationHeader["Basic ".Length..];
        return text.Contains(_text, StringComparison.Ordinal) || text.Contains(header, StringComparison.Ordinal)
            ? text.Replace(_text, Mask, StringComparison.Ordinal).Replace(header, Mask, StringComparison.Ordinal)
            : text;
    }

    /// <summary>The mask, never the key.</summary>
    public override string ToString() => Mask;
}
