namespace NotebookLib.Tracking;

/// <summary>What went wrong between us and the server.</summary>
internal enum TrackingFault
{
    /// <summary>The server does not know the API key.</summary>
    WrongKey,

    /// <summary>The key is known but may not do this, or the entity does not exist.</summary>
    WrongEntity,

    /// <summary>The server refuses the project.</summary>
    UnknownProject,

    /// <summary>The run id is taken.</summary>
    RunExists,

    /// <summary>The run that must be resumed does not exist.</summary>
    RunMissing,

    /// <summary>The run on the server holds lines that this folder did not write.</summary>
    ForeignLines,

    /// <summary>A body is larger than the server takes.</summary>
    TooLarge,

    /// <summary>The server refuses for another reason.</summary>
    Refused,

    /// <summary>The server did not answer usefully, however often it was asked.</summary>
    Unreachable,

    /// <summary>A file changed between logging and upload.</summary>
    ChangedFile,
}

/// <summary>Tracking cannot go on as asked; training can. The message says what to do; it holds neither the key nor a signed address.</summary>
public sealed class TrackingException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="fault">The kind.</param>
    /// <param name="message">What was expected, what was found, the next step.</param>
    internal TrackingException(TrackingFault fault, string message)
        : base(message)
    {
        Fault = fault;
    }

    /// <summary>The kind.</summary>
    internal TrackingFault Fault { get; }
}
