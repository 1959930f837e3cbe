using System.Diagnostics;
using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Runner;

/// <summary>
/// One notebook run by the ranks of a real mpirun, in short; tools/mpi/rehearse.sh does more, with the demo's. What ranks compute is held by RanksTests, which
/// need no Open MPI.
/// </summary>
[StartsProcesses]
public sealed class RankCommandTests : IDisposable
{
    // Rank 1 may have to die, once: when rank 0 has saved something, by which time it has trained for a while.
    private static readonly string[] Cells =
    [
        "// parameters\nstring? dies = null; // the folder whose checkpoint is the sign to\nint steps = 4; // micro-batches per update\nstring? output = null;",
        $$"""
        #r "{{Repository.PathOf("bin", "lib", "NotebookLib.dll")}}"
        using NotebookLib.Batching;
        using NotebookLib.Data;
        using NotebookLib.Model;
        using NotebookLib.Training;
        var rank = Environment.GetEnvironmentVariable("OMPI_COMM_WORLD_RANK") ?? "0";
        var random = new Random(3);
        EncodedSentence[] rows = [.. Enumerable.Range(0, 96).Select(_ => random.Next(4, 24)).Select(length => new EncodedSentence(
            [.. Enumerable.Range(0, length).Select(_ => random.Next(3, 300))], [.. Enumerable.Range(0, length).Select(_ => random.Next(0, 31))],
            [.. Enumerable.Range(0, length)]))];
        var model = ModelFolder.Load("{{Repository.PathOf("tests", "goldens", "training", "full-linear", "start")}}").Model;
        var sign = System.IO.Path.Combine(dies ?? "", "checkpoints", "checkpoint-2");
        if (dies is not null && rank == "1" && !System.IO.Directory.Exists(System.IO.Path.GetDirectoryName(sign)))
        {
            new System.Threading.Thread(() =>
            {
                while (!System.IO.Directory.Exists(sign)) System.Threading.Thread.Sleep(5);
                System.Diagnostics.Process.GetCurrentProcess().Kill();
            }).Start();
        }
        """,
        """
        class Slow : ITrainingObserver { public void StepLogged(LoggedStep logged) => System.Threading.Thread.Sleep(100); }
        var trained = new Trainer(model, LabelSet.SystemA, rows, rows[..20], new TrainingSettings
        {
            BatchSize = 4, AccumulationSteps = steps, MaximumUpdates = 12, LogEvery = 1, EvaluateEvery = 4, SaveEvery = 1, BestMetric = "loss",
            LearningRate = 1e-3,
            OutputFolder = System.IO.Path.Combine(Environment.GetEnvironmentVariable("NOTEBOOK_OUTPUT"), "checkpoints"), ExistingRun = ExistingRun.Resume,
        }, dies is null ? [] : [new Slow()]).Train(NotebookLib.Platform.Interruption.Token);
        Console.WriteLine($"rank {rank}, {trained.Updates} updates");
        """,
    ];

    private readonly RunnerProcess _runner = new();

    public RankCommandTests() => Assert.SkipUnless(
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "mpirun"))),
        "mpirun is not installed (Debian: apt-get install openmpi-bin)");

    public void Dispose() => _runner.Dispose();

    [Fact]
    public async Task Ranks_train_what_one_process_trains_and_rank_0_alone_speaks()
    {
        var notebook = _runner.WriteNotebook(Cells);
        var (alone, _, problem) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", notebook, "--output", _runner.Output));
        var together = Path.Combine(_runner.Folder, "together");

        var (exitCode, output, error) = await RankedAsync(2, "run", notebook, "--output", together);

        Assert.True(alone == 0, problem);
        Assert.True(exitCode == 0, error);
        Assert.Contains("rank 0, 12 updates", output, StringComparison.Ordinal);
        Assert.DoesNotContain("rank 1", output + error, StringComparison.Ordinal);
        AssertSameNumbers(_runner.Output, together);
        Assert.Equal(["n.html", "n.ipynb", "run.json"], Directory.EnumerateFiles(together).Select(Path.GetFileName).Where(name => name![0] != '.')
            .Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_rank_that_dies_ends_the_job_with_words_and_another_number_of_ranks_goes_on()
    {
        var notebook = _runner.WriteNotebook(Cells);
        var whole = Path.Combine(_runner.Folder, "whole");
        await RunnerProcess.FinishAsync(RunnerProcess.Start("run", notebook, "--output", whole));

        var (died, output, error) = await RankedAsync(2, "run", notebook, "--output", _runner.Output, "-p", $"dies={_runner.Output}");
        var kept = Directory.GetDirectories(Path.Combine(_runner.Output, "checkpoints"), "checkpoint-*").Length;
        var (resumed, _, problem) = await RankedAsync(3, "run", "--resume", _runner.Output);

        Assert.NotEqual(0, died);
        Assert.Contains("ank 1 of 2", output + error, StringComparison.Ordinal);
        Assert.InRange(kept, 1, int.MaxValue);
        Assert.True(resumed == 0, problem);
        AssertSameNumbers(whole, _runner.Output);
    }

    [Fact]
    public async Task More_ranks_than_micro_batches_are_refused_in_words()
    {
        var (exitCode, _, error) = await RankedAsync(3, "run", _runner.WriteNotebook(Cells), "--output", _runner.Output, "-p", "steps=2");

        Assert.NotEqual(0, exitCode);
        Assert.Contains("3 ranks are to share an update of 2 micro-batches (AccumulationSteps); expected at most 2 ranks", error, StringComparison.Ordinal);
    }

    private static Task<(int ExitCode, string Output, string Error)> RankedAsync(int ranks, params string[] arguments)
    {
        var start = new ProcessStartInfo("mpirun",
        [
            "-n", $"{ranks}", "--oversubscribe", "--bind-to", "none", "--mca", "odls_base_sigkill_timeout", "5",
            "dotnet", Repository.PathOf("bin", "tools", "NotebookRunner.dll"), .. arguments,
        ])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        return RunnerProcess.FinishAsync(Process.Start(start)!);
    }

    private static void AssertSameNumbers(string expected, string actual)
    {
        var (left, right) = (StepsOf(expected), StepsOf(actual));
        Assert.Equal(12, left.Count);
        Assert.Equal(left.Count, right.Count);
        Assert.All(left.Zip(right), pair =>
        {
            Assert.Equal((double)pair.First!["loss"]!, (double)pair.Second!["loss"]!, 1e-4);
            Assert.Equal((double)pair.First["gradientNorm"]!, (double)pair.Second["gradientNorm"]!, 1e-3);
        });
    }

    private static JsonArray StepsOf(string folder) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "checkpoints", "checkpoint-12", "trainer_state.json")))!["history"]!["steps"]!.AsArray();
}
