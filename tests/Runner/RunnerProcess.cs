using System.Diagnostics;
using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Runner;

/// <summary>Runs the built runner on notebooks written for the occasion, as a person would.</summary>
internal sealed class RunnerProcess : IDisposable
{
    public RunnerProcess() => Directory.CreateDirectory(Folder);

    public string Folder { get; } = Path.Combine(Path.GetTempPath(), "runner-" + Guid.NewGuid().ToString("N"));

    public string Output => Path.Combine(Folder, "out");

    public string Page => File.ReadAllText(Path.Combine(Output, "n.html"));

    public JsonNode Summary => JsonNode.Parse(File.ReadAllText(Path.Combine(Output, "run.json")))!;

    public JsonNode Jupyter => JsonNode.Parse(File.ReadAllText(Path.Combine(Output, "n.ipynb")))!;

    /// <summary>Writes cells into n.dib; a text that begins with # and a blank is Markdown.</summary>
    public string WriteNotebook(params string[] cells)
    {
        var path = Path.Combine(Folder, "n.dib");
        File.WriteAllText(
            path, string.Concat(cells.Select(cell => $"#!{(cell.StartsWith("# ", StringComparison.Ordinal) ? "markdown" : "csharp")}\n\n{cell}\n\n")));
        return path;
    }

    /// <summary>Starts the runner.</summary>
    public static Process Start(params string[] arguments) => Process.Start(HowToStart(arguments))!;

    /// <summary>Reads what a runner prints until a line has a text in it.</summary>
    /// <returns>That line; null when the runner ended without it.</returns>
    public static async Task<string?> ReadUntilAsync(Process process, string text)
    {
        string? line;
        do
        {
            line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        }
        while (line is not null && !line.Contains(text, StringComparison.Ordinal));
        return line;
    }

    /// <summary>What <see cref="Start"/> starts, for a test that changes the environment first.</summary>
    public static ProcessStartInfo HowToStart(params string[] arguments) =>
        // A shell without job control starts what it puts into the background with Ctrl-C ignored, and the whole family inherits that: a test of Ctrl-C would
        // wait for ever.
        new("env", ["--default-signal=INT", "dotnet", Repository.PathOf("bin", "tools", "NotebookRunner.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

    /// <summary>Starts the runner as the leader of a process group of its own, as `timeout` and supervisors do; its id is the group's.</summary>
    public static Process StartGroup(params string[] arguments)
    {
        var how = HowToStart(arguments);
        how.ArgumentList.Insert(0, how.FileName);
        how.FileName = "setsid";
        return Process.Start(how)!;
    }

    /// <summary>Runs to the end.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> FinishAsync(Process process)
    {
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }

    /// <summary>Runs a notebook made of cells.</summary>
    public Task<(int ExitCode, string Output, string Error)> RunAsync(string[] cells, params string[] options) =>
        FinishAsync(Start(["run", WriteNotebook(cells), "--output", Output, .. options]));

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
