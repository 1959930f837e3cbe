namespace NotebookRunner.Commands;

/// <summary>Proves that a folder can be written before an hour of work depends on it.</summary>
internal static class WritableFolder
{
    /// <summary>Writes something there.</summary>
    /// <exception cref="BadInputException">It cannot be written.</exception>
    public static void Prove(string folder, Action write)
    {
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{folder}: cannot be written: {error.Message} Choose another folder with --output.", error);
        }
    }
}
