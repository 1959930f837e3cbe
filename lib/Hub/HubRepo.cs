using System.Text.RegularExpressions;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>What a repository holds.</summary>
internal enum HubRepoKind
{
    /// <summary>A model or an adapter.</summary>
    Model,

    /// <summary>A data set.</summary>
    Dataset,
}

/// <summary>A repository of the Hub.</summary>
internal sealed record HubRepo
{
    /// <summary>Names a repository.</summary>
    /// <param name="name"><c>org/name</c>, or <c>name</c> alone for the oldest ones.</param>
    /// <param name="kind">What it holds.</param>
    /// <exception cref="ArgumentException">The name does not have that form.</exception>
    public HubRepo(string name, HubRepoKind kind = HubRepoKind.Model)
    {
        if (!HubNames.IsRepository(name))
        {
            throw new ArgumentException($"\"{Excerpt.Long(name)}\" is no repository's name; expected org/name of letters, "
                + "digits and single - _ . between them");
        }

        (Name, Kind) = (name, kind);
    }

    /// <summary><c>org/name</c>.</summary>
    public string Name { get; }

    /// <summary>What it holds.</summary>
    public HubRepoKind Kind { get; }

    /// <summary>Its folder in the cache, as Python names it.</summary>
    internal string CacheName => $"{Plural}--{Name.Replace("/", "--", StringComparison.Ordinal)}";

    /// <summary>Its pages' path: the kind stands in front except for models.</summary>
    internal string PagePath => Kind == HubRepoKind.Model ? Name : $"{Plural}/{Name}";

    /// <summary>Its path in the API.</summary>
    internal string ApiPath => $"api/{Plural}/{Name}";

    private string Plural => Kind == HubRepoKind.Model ? "models" : "datasets";

    /// <inheritdoc/>
    public override string ToString() => Kind == HubRepoKind.Model ? Name : $"dataset {Name}";

    /// <summary>Splits <c>org/name@revision</c>.</summary>
    /// <exception cref="ArgumentException">It has another form.</exception>
    internal static (HubRepo Repo, string Revision) Parse(string text, HubRepoKind kind = HubRepoKind.Model)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var revision = at < 0 ? "main" : text[(at + 1)..];
        return HubNames.IsRevision(revision)
            ? (new HubRepo(at < 0 ? text : text[..at], kind), revision)
            : throw new ArgumentException($"\"{Excerpt.Long(text)}\": behind the @ stands no branch, tag or commit; expected org/name@revision");
    }
}

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
            $"{origin} names the file \"{Excerpt.Long(name)}\"; expected a relative name without \"..\". Refused: it would be written outside of its folder");

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

    [GeneratedRegex(@"^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?/)?[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?\z")]
    private static partial Regex RepositoryPattern();
}
