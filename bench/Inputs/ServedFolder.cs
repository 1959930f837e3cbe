using System.Diagnostics;
using NotebookLib.Model;
using NotebookLib.Tokenization;

namespace NotebookLib.Bench.Inputs;

/// <summary>A model saved to a folder of its own, and <c>serve</c> on it in a process of its own, as a user starts it.</summary>
internal sealed class ServedFolder : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bench-serve-").FullName;
    private readonly Process _process;

    /// <summary>Starts the server and waits until it answers.</summary>
    /// <exception cref="InvalidOperationException">The runner is not built, or the server does not start.</exception>
    public ServedFolder(DebertaV2ForTokenClassification model, DebertaTokenizer tokenizer)
    {
        ModelFolder.Save(model, _folder);
        tokenizer.Save(_folder);
        var runner = Folders.PathOf("bin", "tools", "NotebookRunner.dll");
        _process = File.Exists(runner)
            ? Process.Start(new ProcessStartInfo("dotnet", [runner, "serve", _folder, "--port", "0", "--device", "cpu"]) { RedirectStandardOutput = true })!
            : throw new InvalidOperationException($"{runner} is missing; build it first: dotnet build tools.");
        Address = new(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("`serve` ended before it answered."));
    }

    /// <summary>Where it answers.</summary>
    public Uri Address { get; }

    /// <summary>Its memory now, bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Asks it to stop.</summary>
    /// <returns>Its exit code.</returns>
    public int Stop()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
        _process.WaitForExit();
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Stop();
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
