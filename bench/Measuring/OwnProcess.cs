using System.Diagnostics;

namespace NotebookLib.Bench.Measuring;

/// <summary>This program once more, in a process of its own: nothing that went before is in its memory, and its death is only its own.</summary>
internal static class OwnProcess
{
    /// <summary>Runs a verb; its errors go to ours.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="limit">After this it is ended.</param>
    /// <returns>Its output.</returns>
    /// <exception cref="InvalidOperationException">It failed or took too long.</exception>
    public static string Run(IReadOnlyList<string> arguments, TimeSpan limit)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        // Started through `dotnet NotebookLib.Bench.dll`, the program's own path is its first argument.
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(OwnProcess).Assembly.Location);
        }

        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} does not start.");
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"`{string.Join(' ', arguments)}` took longer than {limit.TotalSeconds:0} s and was ended.");
        }

        return process.ExitCode == 0
            ? output.Result : throw new InvalidOperationException($"`{string.Join(' ', arguments)}` ended with exit code {process.ExitCode}.");
    }
}
