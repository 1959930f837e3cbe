namespace NotebookLib.Training;

/// <summary>A loss or gradient norm was not finite; the batch that caused it lies in a file.</summary>
internal sealed class NonFiniteLossException : Exception
{
    /// <summary>Makes the error of an update.</summary>
    /// <param name="message">What was found and what to try.</param>
    /// <param name="batchFile">The file with the rows.</param>
    public NonFiniteLossException(string message, string batchFile) : base(message) => BatchFile = batchFile;

    /// <summary>Where the rows of the update were written, as JSON.</summary>
    public string BatchFile { get; }
}
