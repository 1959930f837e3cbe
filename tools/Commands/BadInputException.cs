namespace NotebookRunner.Commands;

/// <summary>The command was asked for something that cannot be; the message says what and what would work.</summary>
internal sealed class BadInputException(string message, Exception? inner = null) : Exception(message, inner);
