namespace NotebookLib.Hub;

/// <summary>What went wrong between us and the Hub.</summary>
public enum HubFault
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
    public HubException(HubFault fault, string message, Exception? cause = null)
        : base(message, cause)
    {
        Fault = fault;
    }

    /// <summary>The kind.</summary>
    public HubFault Fault { get; }
}
