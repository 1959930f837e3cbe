namespace NotebookLib.Platform;

/// <summary>How a reader changes something where the notebook runs: on the runner's command line, or in the editor's cell.</summary>
internal static class HostWords
{
    /// <summary>Whether the runner runs the notebook; else an editor does.</summary>
    public static bool IsRunner => Environment.GetEnvironmentVariable(HostContract.OutputVariable) is { Length: > 0 };

    /// <summary>How a training that was stopped goes on: by the runner's command, whole, or by the cell, run again.</summary>
    public static string GoOn =>
        Environment.GetEnvironmentVariable(HostContract.ResumeVariable) is { Length: > 0 } command
            ? $"Go on with\n  {command}" : "Run this cell again to go on.";

    /// <summary>How to set a parameter: <c>-p model=FOLDER</c>, or <c>model = "FOLDER"</c> in the parameter cell.</summary>
    /// <param name="name">The parameter.</param>
    /// <param name="value">Its value, of text.</param>
    public static string Set(string name, string value) => IsRunner ? $"-p {name}={value}" : $"{name} = \"{value}\" in the parameter cell";
}
