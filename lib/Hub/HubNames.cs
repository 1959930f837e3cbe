using System.Text.RegularExpressions;

namespace NotebookLib.Hub;

/// <summary>Judges names that come from servers, index files and people before they become paths.</summary>
internal static partial class HubNames
{
    /// <summary>
    /// Whether a file's name stays inside its folder: relative segments between single slashes, none of them <c>.</c> or <c>..</c>, nothing that a system reads
    /// as drive or stream.
    /// </summary>
    public static bool IsSafeFile(string? name)
        => name is { Length: > 0 and <= 1024 }
            && !name.Any(c => char.IsControl(c) || c is '\\' or ':')
            && name.Split('/').All(segment => segment.Length is > 0 and <= 255 && segment is not ("." or "..") && segment.Trim() == segment);

    /// <exception cref="HubException">The name leads out of its folder or is none.</exception>
    public static string Checked(string? name, string origin)
        => IsSafeFile(name) ? name! : throw new HubException(HubFault.UnsafeName,
            $"{origin} names the file \"{Excerpt(name)}\"; expected a relative name without \"..\". Refused: it would be written outside of its folder");

    /// <summary>Whether a repository's name has the Hub's form (huggingface_hub, validate_repo_id).</summary>
    public static bool IsRepository(string name)
        => RepositoryPattern().IsMatch(name) && !name.Contains("--", StringComparison.Ordinal) && !name.Contains("..", StringComparison.Ordinal)
            && !name.EndsWith(".git", StringComparison.Ordinal);

    /// <summary>Whether a branch, tag or commit can be asked for and kept as a file below <c>refs</c>.</summary>
    public static bool IsRevision(string revision) => IsSafeFile(revision) && revision.Length <= 255 && !revision.Any(char.IsWhiteSpace);

    /// <summary>Whether it is a full commit hash.</summary>
    public static bool IsCommit(string? text) => text is { Length: 40 } && IsLowerHex(text);

    /// <summary>Whether an etag can name a blob: a sha256, a git sha1, or another plain word of a server that has neither.</summary>
    public static bool IsBlob(string? etag) =>
        etag is { Length: > 0 and <= 128 } && etag[0] != '.' && etag.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    /// <summary>Whether all characters are hexadecimal, in lower case.</summary>
    public static bool IsLowerHex(string text) => text.All(char.IsAsciiHexDigitLower);

    /// <summary>Foreign text, fit for a message: short, on one line.</summary>
    public static string Excerpt(string? text, int longest = 120)
        => text is null ? "" : string.Concat((text.Length > longest ? text[..longest] + "…" : text).Select(c => char.IsControl(c) ? '\uFFFD' : c));

    [GeneratedRegex(@"^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?/)?[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?\z")]
    private static partial Regex RepositoryPattern();
}
