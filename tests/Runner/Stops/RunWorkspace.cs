using NotebookLib.Results;

namespace NotebookLib.Tests.Runner.Stops;

/// <summary>What is trained: a notebook of the project, in a precision.</summary>
internal sealed record TrainedCase(string Notebook, string Precision)
{
    public static IReadOnlyList<TrainedCase> All { get; } =
    [
        new("ner_deberta_base_A", "float32"), new("ner_deberta_large_lora_A", "bfloat16"), new("ner_deberta_base_A", "bfloat16"),
        new("ner_deberta_large_lora_A", "float32"),
    ];

    /// <summary>
    /// A demo of seconds: updates of two micro-batches, so that a stop can come between them; one checkpoint is kept, so that how often a run was stopped
    /// leaves no trace.
    /// </summary>
    public Dictionary<string, string> Parameters => new()
    {
        ["maximumUpdates"] = "80",
        ["batchSize"] = "4",
        ["accumulationSteps"] = "2",
        ["trainRows"] = "300",
        ["validationRows"] = "40",
        ["testRows"] = "60",
        ["logEvery"] = "2",
        ["saveEvery"] = "5",
        ["evaluateEvery"] = "20",
        ["keepCheckpoints"] = "1",
        ["compare"] = "false",
        ["tracking"] = "offline",
        ["precision"] = Precision,
    };

    public override string ToString() => $"{(Notebook.Contains("lora", StringComparison.Ordinal) ? "LoRA" : "full")} {Precision}";
}

/// <summary>A repository made of links, so that the notebooks run as they are and have a results folder of their own.</summary>
internal sealed class RunWorkspace : IDisposable
{
    /// <summary>How many cores a training uses: more would wait for those that other tests have.</summary>
    public const int Threads = 1;

    public RunWorkspace()
    {
        foreach (var link in new[] { "bin", "data" })
        {
            Directory.CreateSymbolicLink(PathOf(link), Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", link)));
        }

        foreach (var (folder, pattern) in new[] { ("notebooks", "*.dib"), ("results", "published*.csv") })
        {
            Directory.CreateDirectory(PathOf(folder));
            foreach (var file in Directory.EnumerateFiles(Repository.PathOf(folder), pattern))
            {
                File.Copy(file, PathOf(folder, Path.GetFileName(file)));
            }
        }
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("stops-").FullName;

    public RunTable Table => new(PathOf("results"));

    public string PathOf(params string[] parts) => Path.Combine([Folder, .. parts]);

    /// <summary>A run's folder.</summary>
    public string RunFolder(string run) => PathOf("runs", run);

    public string NotebookOf(TrainedCase trained) => PathOf("notebooks", trained.Notebook + ".dib");

    /// <summary>The command that begins a run, or a sweep, as it is typed in the workspace.</summary>
    public static string FirstCommand(TrainedCase trained, string run, string verb = "run")
        => $"dotnet bin/tools/NotebookRunner.dll {verb} notebooks/{trained.Notebook}.dib "
            + $"{string.Join(' ', trained.Parameters.Select(pair => $"-p {pair.Key}={pair.Value}"))} -o runs/{run}";

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
