using System.Diagnostics;
using NotebookLib.Tests.Data;
using NotebookLib.Tests.Inference;

namespace NotebookLib.Tests.Runner;

/// <summary>
/// The job scripts by an sbatch that runs each task at once, one after another, and a scontrol that writes down what it is asked: in short what
/// tools/slurm/rehearse.sh does by a real Slurm.
/// </summary>
[StartsProcesses]
public sealed class SlurmScriptTests : IDisposable
{
    // As Slurm does: the script is a copy elsewhere, the folder the one in which sbatch was typed; a job behind afterok is not run when a task failed.
    private const string Sbatch = """
        #!/usr/bin/env bash
        here=$(dirname "$0") tasks=0 after="" words=("$@")
        while [[ "$1" == --* ]]; do
            case "$1" in
                --array=1-*) tasks=${1#--array=1-} ;;
                --dependency=afterok:*) after=${1#--dependency=afterok:} ;;
            esac
            shift
        done
        echo x >> "$here/jobs"
        job=$(wc -l < "$here/jobs")
        echo "$job;cluster"
        exec 1>> "$here/log" 2>&1
        echo "sbatch ${words[*]}"
        if [ -n "$after" ] && [ -e "$here/failed-$after" ]; then echo "never: $1"; exit 0; fi
        cp "$1" "$here/slurm_script"
        shift
        for ((i = 1; i <= (tasks > 0 ? tasks : 1); i++)); do
            export SLURM_JOB_ID=$job
            if [ "$tasks" -gt 0 ]; then export SLURM_ARRAY_JOB_ID=$job SLURM_ARRAY_TASK_ID=$i; fi
            bash "$here/slurm_script" "$@" || touch "$here/failed-$job"
        done
        """;

    private readonly TemporaryFolder _folder = new();

    public SlurmScriptTests()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("Slurm's scripts are for Linux.");
            return;
        }

        TrainedFolder.Save(Model);
        foreach (var (name, text) in ((string, string)[])[("sbatch", Sbatch), ("scontrol", "#!/bin/sh\necho \"scontrol $*\" >> \"$(dirname \"$0\")/log\"\n")])
        {
            File.SetUnixFileMode(_folder.Write(name, text), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
    }

    private string Model => _folder.PathOf("model");

    private string Log => File.Exists(_folder.PathOf("log")) ? File.ReadAllText(_folder.PathOf("log")) : "";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_annotation_by_an_array_is_that_of_one_process_and_parts_of_something_else_are_never_joined()
    {
        var one = _folder.Write("one.txt", "Marie Curie was in Warsaw\nthe and of a\nMarie was in Paris\n");
        var two = _folder.Write("two.txt", "the and of a\n");
        await FinishAsync(RunnerProcess.HowToStart("annotate", Model, one, "-o", _folder.PathOf("whole.jsonl")));
        await FinishAsync(RunnerProcess.HowToStart("annotate", Model, two, "-o", _folder.PathOf("whole-two.jsonl")));
        var output = _folder.PathOf("o.jsonl");

        var (code, said, error) = await ScriptAsync("annotate.sh", "2", output, Model, one);
        Assert.True(code == 0, error);
        Assert.Equal("parts 1, merge 2\n", said);
        Assert.Equal(File.ReadAllBytes(_folder.PathOf("whole.jsonl")), File.ReadAllBytes(output));

        // Typed again: nothing is annotated again. Of another input: neither the old parts nor the old output pass for the new.
        File.Delete(output);
        var at = Log.Length;
        await ScriptAsync("annotate.sh", "2", output, Model, one);
        Assert.Equal(2, Log[at..].Split("the part was complete already").Length - 1);
        Assert.Equal(File.ReadAllBytes(_folder.PathOf("whole.jsonl")), File.ReadAllBytes(output));
        File.Delete(output);
        at = Log.Length;
        await ScriptAsync("annotate.sh", "2", output, Model, two);
        Assert.Contains("is a complete part already, and what it was made by differs: input was", Log[at..], StringComparison.Ordinal);
        Assert.Contains("never: tools/slurm/merge.sbatch", Log[at..], StringComparison.Ordinal);
        Assert.False(File.Exists(output));
        await ScriptAsync("annotate.sh", "2", output, Model, two, "--force");
        Assert.Equal(File.ReadAllText(_folder.PathOf("whole-two.jsonl")), File.ReadAllText(output));
    }

    [Fact]
    public async Task A_training_that_is_stopped_asks_for_its_place_again_goes_on_and_is_not_run_when_it_has_ended()
    {
        var notebook = _folder.Write("n.dib", """
            #!csharp

            // parameters
            var seed = 1;
            bool resume = false;
            string? output = null;

            #!csharp

            var token = (System.Threading.CancellationToken)AppContext.GetData("NotebookHost.Interrupted");
            var folder = Environment.GetEnvironmentVariable("NOTEBOOK_OUTPUT");
            System.IO.Directory.CreateDirectory(System.IO.Path.Combine(folder, "checkpoints"));
            System.IO.File.WriteAllText(System.IO.Path.Combine(folder, "checkpoints", ".training.lock"), "");
            Console.WriteLine($"training, resume {resume}");
            while (!resume && !token.IsCancellationRequested) { await Task.Delay(20); }

            """);
        string[] words = [notebook, "--output", _folder.PathOf("run")];
        using (var first = Process.Start(HowToStart("train.sbatch", words, job: "7"))!)
        {
            await RunnerProcess.ReadUntilAsync(first, "| training, resume False");
            Process.Start("kill", ["-TERM", $"{first.Id}"]).WaitForExit();
            var (stopped, said, error) = await RunnerProcess.FinishAsync(first);
            Assert.True(stopped == 130, error);
            Assert.Contains("Stopped in time; it goes on when Slurm starts it again.", said, StringComparison.Ordinal);
        }

        Assert.Equal("scontrol requeue 7\n", Log);
        var cells = File.ReadAllText(notebook);
        File.AppendAllText(notebook, "1 + 1\n");
        var edited = await FinishAsync(HowToStart("train.sbatch", words, job: "7"));
        File.WriteAllText(notebook, cells);
        Assert.Equal(2, edited.ExitCode);
        Assert.Contains($"or go on with today's cells by\n  dotnet run --project tools -- run --resume {_folder.PathOf("run")}", edited.Error,
            StringComparison.Ordinal);
        var second = await FinishAsync(HowToStart("train.sbatch", words, job: "7"));
        var third = await FinishAsync(HowToStart("train.sbatch", words, job: "7"));

        Assert.True(second.ExitCode == 0, second.Error);
        Assert.Contains("| training, resume True", second.Output, StringComparison.Ordinal);
        Assert.Equal((0, $"{_folder.PathOf("run")}: the run there ended well already.\n"), (third.ExitCode, third.Output));
        Assert.Equal("scontrol requeue 7\n", Log);

        // Another run does not pass for this one.
        var other = await FinishAsync(HowToStart("train.sbatch", [.. words, "-p", "seed=2"], job: "7"));
        var unknown = await FinishAsync(HowToStart("train.sbatch", [.. words, "-p", "sede=2"], job: "7"));
        File.AppendAllText(notebook, "\n1 + 1\n");
        var changed = await FinishAsync(HowToStart("train.sbatch", words, job: "7"));
        Assert.Equal((2, 2, 2), (other.ExitCode, unknown.ExitCode, changed.ExitCode));
        Assert.Contains("seed is 2, the run was started with 1", other.Error, StringComparison.Ordinal);
        Assert.Contains("Did you mean 'seed'?", unknown.Error, StringComparison.Ordinal);
        Assert.Contains("holds a run of n.dib with other cells than", changed.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sweep_by_an_array_runs_each_combination_once()
    {
        var notebook = _folder.Write("n.dib", $$"""
            #!csharp

            // parameters
            var seed = 0;

            #!csharp

            System.IO.File.AppendAllText("{{_folder.PathOf("runs")}}", $"{seed}\n");

            """);

        var (code, _, error) = await FinishAsync(WithFakes(new("sbatch",
            ["--array=1-3", "tools/slurm/sweep.sbatch", notebook, "--grid", "seed=1,2", "--output", _folder.PathOf("sweep"), "--no-wait"])));

        Assert.True(code == 0, error);
        Assert.Equal(["1", "2"], File.ReadAllLines(_folder.PathOf("runs")));
        Assert.Equal(3, Log.Split("All runs ended well.").Length - 1);
        Assert.False(File.Exists(_folder.PathOf("failed-1")), Log);
        Assert.Contains("\"job\":\"1\"", File.ReadAllText(_folder.PathOf("sweep/seed=1/.claim-1")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("annotate.sh", "usage: tools/slurm/annotate.sh N OUTPUT MODEL INPUT…")]
    [InlineData("annotate.sbatch", "usage: sbatch --array=1-N tools/slurm/annotate.sbatch N OUTPUT MODEL INPUT…")]
    [InlineData("merge.sbatch", "usage: sbatch tools/slurm/merge.sbatch OUTPUT [PART…]")]
    [InlineData("sweep.sbatch", "usage: sbatch --array=1-N[%M] tools/slurm/sweep.sbatch NOTEBOOK")]
    [InlineData("train.sbatch", "usage: sbatch tools/slurm/train.sbatch NOTEBOOK --output FOLDER")]
    public async Task A_script_without_arguments_says_what_it_takes(string script, string expected)
    {
        var (code, output, error) = await ScriptAsync(script);

        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith(expected, error, StringComparison.Ordinal);
    }

    private Task<(int ExitCode, string Output, string Error)> ScriptAsync(string script, params string[] words) => FinishAsync(HowToStart(script, words));

    private ProcessStartInfo HowToStart(string script, string[] words, string? job = null)
    {
        var how = WithFakes(new("bash", [$"tools/slurm/{script}", .. words]));
        how.Environment["SLURM_JOB_ID"] = job;
        return how;
    }

    private ProcessStartInfo WithFakes(ProcessStartInfo how)
    {
        (how.WorkingDirectory, how.RedirectStandardOutput, how.RedirectStandardError) = (Repository.PathOf("."), true, true);
        how.Environment["PATH"] = $"{_folder.Root}:{Environment.GetEnvironmentVariable("PATH")}";
        if (how.FileName == "sbatch")
        {
            how.FileName = _folder.PathOf("sbatch");
        }

        return how;
    }

    private static Task<(int ExitCode, string Output, string Error)> FinishAsync(ProcessStartInfo how) => RunnerProcess.FinishAsync(Process.Start(how)!);
}
