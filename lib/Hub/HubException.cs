using System.Text.Json;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>What went wrong between us and the Hub.</summary>
internal enum HubFault
{
    /// <summary>No such repository, or a private one that the token does not open.</summary>
    RepoNotFound,

    /// <summary>The repository has no such branch, tag or commit.</summary>
    RevisionNotFound,

    /// <summary>The repository has no such file.</summary>
    EntryNotFound,

    /// <summary>Its owners want to be asked first.</summary>
    GatedRepo,

    /// <summary>The Hub does not know the token, or wants one.</summary>
    WrongToken,

    /// <summary>The token does not allow this.</summary>
    Forbidden,

    /// <summary>Offline, and the cache does not have it.</summary>
    NotInCache,

    /// <summary>The Hub did not answer usefully, however often it was asked.</summary>
    Unreachable,

    /// <summary>What arrived is not what the Hub announced.</summary>
    WrongContent,

    /// <summary>A name would be written outside of its folder.</summary>
    UnsafeName,

    /// <summary>An answer is not of the Hub's form.</summary>
    BadAnswer,

    /// <summary>The Hub refuses for another reason.</summary>
    Refused,
}

/// <summary>The Hub's files could not be had, or ours not be sent. The message says what to do; it holds neither a token nor a signed address.</summary>
public sealed class HubException : IOException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="fault">The kind.</param>
    /// <param name="message">What was expected, what was found, the next step.</param>
    /// <param name="cause">What led to it; its texts must be free of secrets.</param>
    internal HubException(HubFault fault, string message, Exception? cause = null)
        : base(message, cause)
    {
        Fault = fault;
    }

    /// <summary>The kind.</summary>
    internal HubFault Fault { get; }

    /// <summary>A refused request about a repository in a sentence that says what to do: by X-Error-Code first, then by status.</summary>
    /// <param name="settings">Endpoint and token.</param>
    /// <param name="answer">What the Hub said.</param>
    /// <param name="repo">The repository.</param>
    /// <param name="revision">The revision.</param>
    /// <param name="file">The file, or null for the repository as a whole.</param>
    internal static HubException Of(HubSettings settings, NetAnswer answer, HubRepo repo, string revision, string? file)
    {
        var fault = Kind(answer);
        var page = $"{settings.Endpoint}/{repo.PagePath}";
        return new HubException(fault, fault switch
        {
            HubFault.RepoNotFound => $"{repo}: {settings.Endpoint} has no such repository, or a private one. Check the spelling (org/name)"
                + (settings.Token is null
                    ? "; if it is private, set HF_TOKEN to a token that may read it" : "; if it is private, the token in use does not open it"),
            HubFault.RevisionNotFound => $"{repo}: no branch, tag or commit \"{revision}\"; the usual one is main, {page}/commits/main lists the others",
            HubFault.EntryNotFound => $"{repo}@{revision}: no file {file}; {page}/tree/{revision} shows what is there",
            HubFault.GatedRepo => $"{repo}: its owners ask for consent first. Open {page} in a browser, accept the terms, "
                + (settings.Token is null ? "and set HF_TOKEN to a token of that account" : "with the account that the token in use belongs to"),
            HubFault.WrongToken => settings.Token is null
                ? $"{settings.Endpoint} wants a token here: make one at {settings.Endpoint}/settings/tokens and set HF_TOKEN"
                : $"{settings.Endpoint} does not know the token in use (HF_TOKEN, else the file token in HF_HOME){Said(settings, answer)}; "
                    + $"make a new one at {settings.Endpoint}/settings/tokens",
            HubFault.Forbidden =>
                $"{repo}: the token in use does not allow this{Said(settings, answer)}; its rights are set at {settings.Endpoint}/settings/tokens",
            _ => $"{repo}{(file is null ? "" : "/" + file)}: the Hub refuses (HTTP {answer.Status}){Said(settings, answer)}",
        });
    }

    private static HubFault Kind(NetAnswer answer) => answer["X-Error-Code"] switch
    {
        "RepoNotFound" => HubFault.RepoNotFound,
        "RevisionNotFound" => HubFault.RevisionNotFound,
        "EntryNotFound" => HubFault.EntryNotFound,
        "GatedRepo" => HubFault.GatedRepo,
        // Without a code the Hub says 401 for whatever does not exist, unless it says that the token itself is wrong.
        _ => answer.Status switch
        {
            401 => Says(answer, "credentials") || Says(answer, "token") || Says(answer, "username or password") ? HubFault.WrongToken : HubFault.RepoNotFound,
            403 => HubFault.Forbidden,
            404 => HubFault.EntryNotFound,
            _ => HubFault.Refused,
        },
    };

    private static bool Says(NetAnswer answer, string word) => Words(answer).Contains(word, StringComparison.OrdinalIgnoreCase);

    private static string Said(HubSettings settings, NetAnswer answer)
    {
        var words = Excerpt.Of(Words(answer), 300);
        return words.Length == 0 ? "" : $": \"{settings.Token?.RemoveFrom(words) ?? words}\"";
    }

    // The API repeats the header's words in its body, {"error": "…"}; some answers have only that.
    private static string Words(NetAnswer answer)
    {
        if (answer["X-Error-Message"] is { } header)
        {
            return header;
        }

        try
        {
            return StrictJson.ParseNode(answer.Body)?["error"]?.ToString() ?? "";
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return "";
        }
    }
}
