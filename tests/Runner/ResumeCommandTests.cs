extern alias runner;

using System.Diagnostics;
using System.Runtime.InteropServices;
using NotebookLib.Results;
using runner::NotebookRunner.Commands;
using runner::NotebookRunner.Running;

namespace NotebookLib.Tests.Runner;

/// <summary>Stops of every kind, and the one command that goes on after each.</summary>
[StartsProcesses]
public sealed partial class ResumeCommandTests(ResumeCommandTests.FailedRun failed) : IClassFixture<ResumeCommandTests.FailedRun>, IDisposable
{
    private const int Hangup = 1;
    private const int KillAtOnce = 9;

    // Begins and fails; goes on from what it kept. The folder is where the runner says.
    private static readonly string[] Kept =
    [
        "// parameters\nlong seed = 42; // of everything\nvar rate = 1e-3;\nstring? name = null;\nstring? output = null;\nbool resume = "
            + "false;\nvar sentence = \"a\";",
        """
        var state = System.IO.Path.Combine(Environment.GetEnvironmentVariable("NOTEBOOK_OUTPUT"), "state.txt");
        var checkpoints = System.IO.Directory.CreateDirectory(System.IO.Path.Combine(Environment.GetEnvironmentVariable("NOTEBOOK_OUTPUT"), "checkpoints")).FullName;
        if (!resume) { System.IO.File.WriteAllText(System.IO.Path.Combine(checkpoints, ".training.lock"), ""); System.IO.File.WriteAllText(state, $"begun with {seed}"); throw new Exception("the power went"); }
        """,
        "$\"{System.IO.File.ReadAllText(state)}, went on with {seed}, {rate}, {name}, {sentence}\"",
    ];

    private readonly RunnerProcess _runner = new();

    public void Dispose() => _runner.Dispose();

    [Fact]
    public async Task The_printed_command_goes_on_with_notebook_parameters_and_folder()
    {
        var command = CommandIn(failed.CopyTo(_runner));

        var (exitCode, _, error) = await ShellAsync(command);

        Assert.Equal(1, failed.ExitCode);
        Assert.True(exitCode == 0, error);
        Assert.Equal("ok", (string)_runner.Summary["status"]!);
        Assert.Contains("begun with 7, went on with 7, 2E-05, it's \"one\", a",
            _runner.Jupyter["cells"]![2]!.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping })
            .Replace("\\\"", "\"", StringComparison.Ordinal), StringComparison.Ordinal);
        var (again, _, ended) = await ShellAsync(command);
        Assert.Equal(2, again);
        Assert.Contains("ended well", ended, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_parameter_that_counts_keeps_its_value_and_others_may_change()
    {
        await _runner.RunAsync(Kept, "-p", "seed=7");
        var before = await File.ReadAllTextAsync(Path.Combine(_runner.Output, "n.html"), Cancel);

        var (refused, _, error) = await RunnerProcess.FinishAsync(
            RunnerProcess.Start("run", "--resume", _runner.Output, "-p", "seed=9", "-p", "rate=0.1", "-p", "sentence=b"));
        var after = await File.ReadAllTextAsync(Path.Combine(_runner.Output, "n.html"), Cancel);
        var (unknown, _, _) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", "--resume", _runner.Output, "-p", "sede=7"));
        var (exitCode, _, said) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", "--resume", _runner.Output, "-p", "seed=7", "-p", "sentence=b"));

        Assert.Equal((2, before), (refused, after));
        Assert.Contains("seed is 9L, the run was started with 7L", error, StringComparison.Ordinal);
        Assert.Contains("rate is 0.1d, the run was started with 1e-3", error, StringComparison.Ordinal);
        Assert.DoesNotContain("sentence is", error, StringComparison.Ordinal);
        Assert.Equal(2, unknown);
        Assert.True(exitCode == 0, said);
        Assert.Contains("went on with 7, 0.001, , b", _runner.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_somebodys_facts_say_is_a_value_and_never_code()
    {
        failed.CopyTo(_runner);
        var facts = Path.Combine(_runner.Output, "run.json");
        var json = _runner.Summary;
        json["given"]!["name"] = "\"; System.IO.File.WriteAllText(\"owned\", \"\"); //";
        await File.WriteAllTextAsync(facts, json.ToJsonString(), Cancel);

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", "--resume", _runner.Output));

        Assert.True(exitCode == 0, error);
        Assert.Contains("went on with 7", _runner.Page, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_runner.Folder, "owned")));
    }

    [Fact]
    public async Task A_folder_without_a_run_is_refused_with_the_one_that_was_meant()
    {
        failed.CopyTo(_runner);
        var inside = Directory.CreateDirectory(Path.Combine(_runner.Output, "checkpoints", "checkpoint-3")).FullName;

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", "--resume", inside));
        var (nothing, _, usage) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run"));

        Assert.Equal((2, 2), (exitCode, nothing));
        Assert.Contains($"for instance {_runner.Output}", error, StringComparison.Ordinal);
        Assert.Contains("Name a notebook to run, or a run to go on with", usage, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "its notebook, , is not there")]
    [InlineData("""{"status":7,"notebookPath":["x"],"notebook":{}}""", "its notebook, , is not there")]
    [InlineData("""{"notebookPath":"a\u0000b","notebook":"n.dib"}""", "its notebook, n.dib, is not there")]
    [InlineData("""{"status":"ok","notebookPath":"n.dib"}""", "ended well")]
    [InlineData("[]", "no run to go on with")]
    [InlineData("""{"notebookPath":"n.dib","given":{"seed":"2147483648"}}""", "Parameter seed: expected a whole number")]
    [InlineData("""{"a":1,"a":2}""", "no run to go on with")]
    public void Facts_of_another_form_are_refused_with_the_folder(string facts, string expected)
    {
        Directory.CreateDirectory(_runner.Output);
        File.WriteAllText(Path.Combine(_runner.Output, "run.json"), facts);
        File.WriteAllText(Path.Combine(_runner.Output, "n.dib"), "#!csharp\n\n// parameters\nvar seed = 1;\n");

        var error = Assert.Throws<BadInputException>(() => KeptRun.Read(_runner.Output, null, new Dictionary<string, string>()));

        Assert.StartsWith(_runner.Output, error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("> /dev/full 2> /dev/full")]
    [InlineData(">&- 2>&-")]
    [InlineData("| head -c 1 2> /dev/full")]
    public async Task An_output_that_fails_ends_no_run(string redirection)
    {
        var notebook = _runner.WriteNotebook("for (var i = 0; i < 50; i++) { Console.WriteLine($\"line {i}\"); Console.Error.WriteLine(i); }", "1 + 1");

        await ShellAsync($"dotnet '{Repository.PathOf("bin", "tools", "NotebookRunner.dll")}' run '{notebook}' -o '{_runner.Output}' {redirection}");

        Assert.Equal("ok", (string)_runner.Summary["status"]!);
        Assert.Contains("line 49", _runner.Page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_hangup_is_a_graceful_stop_unless_the_run_was_started_to_outlive_it(bool isNohup)
    {
        var notebook = _runner.WriteNotebook(
            "var token = (System.Threading.CancellationToken)AppContext.GetData(\"NotebookHost.Interrupted\");\nConsole.WriteLine(\"training\");\n"
            + "for (var i = 0; i < 150 && !token.IsCancellationRequested; i++) { await Task.Delay(20); }\ntoken.ThrowIfCancellationRequested();");
        var how = RunnerProcess.HowToStart("run", notebook, "--output", _runner.Output);
        // Whatever the tests themselves were started with.
        how.ArgumentList.Insert(0, isNohup ? "--ignore-signal=HUP" : "--default-signal=HUP");
        how.ArgumentList.Insert(0, how.FileName);
        how.FileName = "setsid";
        using var process = Process.Start(how)!;
        await RunnerProcess.ReadUntilAsync(process, "| training");
        Assert.Equal(0, Kill(-process.Id, Hangup));

        var (exitCode, output, error) = await RunnerProcess.FinishAsync(process);

        Assert.Equal(isNohup ? 0 : 130, exitCode);
        Assert.Equal(isNohup ? "ok" : "interrupted", (string)_runner.Summary["status"]!);
        if (!isNohup)
        {
            Assert.Contains("Somebody asked to stop (SIGHUP", error, StringComparison.Ordinal);
            Assert.Contains($"run --resume {_runner.Output}", CommandIn(output), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_killed_run_is_marked_by_whoever_reads_its_folder_next()
    {
        using var process = RunnerProcess.StartGroup("run", _runner.WriteNotebook("Console.WriteLine(\"training\");\nawait Task.Delay(60_000);"), "--output",
            _runner.Output);
        await RunnerProcess.ReadUntilAsync(process, "| training");
        LostRuns.Mark(_runner.Output);
        var alive = (string)_runner.Summary["status"]!;
        Assert.Equal(0, Kill(-process.Id, KillAtOnce));
        await process.WaitForExitAsync(Cancel);

        for (var tries = 0; (string)_runner.Summary["status"]! == "running" && tries < 100; tries++)
        {
            LostRuns.Mark(_runner.Output);
            await Task.Delay(50, Cancel);
        }

        Assert.Equal("running", alive);
        Assert.Equal("killed", (string)_runner.Summary["status"]!);
        Assert.Contains("<span class=\"pill failed\">killed</span>", _runner.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_that_a_cell_prints_is_masked_in_page_notebook_facts_and_terminal()
    {
        const string Token = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz", Older = "hf_ZyXwVuTsRqPoNmLkJiHgFeDcBa", Key = "0123456789abcdef0123456789abcdef01234567";
        var how = RunnerProcess.HowToStart("run", _runner.WriteNotebook(
            "// parameters\nvar token = \"none\";",
            "Console.WriteLine(Environment.GetEnvironmentVariable(\"HF_TOKEN\")); "
            + "Console.Error.WriteLine(Environment.GetEnvironmentVariable(\"WANDB_API_KEY\"));",
            "Environment.GetEnvironmentVariable(\"HF_TOKEN\") + Environment.GetEnvironmentVariable(\"HUGGING_FACE_HUB_TOKEN\")", "throw new Exception(token);"),
                "--output", _runner.Output, "-p", $"token={Token}");
        (how.Environment["HF_TOKEN"], how.Environment["HUGGING_FACE_HUB_TOKEN"], how.Environment["WANDB_API_KEY"]) = (Token, Older, Key);

        var (_, output, error) = await RunnerProcess.FinishAsync(Process.Start(how)!);

        Assert.Contains("&lt;HF_TOKEN&gt;", _runner.Page, StringComparison.Ordinal);
        Assert.Contains("&lt;WANDB_API_KEY&gt;", _runner.Page, StringComparison.Ordinal);
        Assert.Contains("<HF_TOKEN>", output, StringComparison.Ordinal);
        Assert.All(Directory.EnumerateFiles(_runner.Output).Select(File.ReadAllText).Append(output).Append(error),
            text => Assert.All([Token, Older, Key], secret => Assert.DoesNotContain(secret, text, StringComparison.Ordinal)));
    }

    /// <summary>A run that failed, once for all that go on with it; a run's folder may be moved with its notebook.</summary>
    public sealed class FailedRun : IAsyncLifetime
    {
        private readonly RunnerProcess _runner = new();
        private string _output = "";

        public int ExitCode { get; private set; }

        public async ValueTask InitializeAsync() =>
            (ExitCode, _output, _) = await _runner.RunAsync(Kept, "-p", "seed=7", "-p", "name=it's \"one\"", "-p", "rate=2e-5");

        public ValueTask DisposeAsync()
        {
            _runner.Dispose();
            return ValueTask.CompletedTask;
        }

        /// <summary>Copies the notebook and what is left of its run.</summary>
        /// <returns>What the run said, of its new place.</returns>
        internal string CopyTo(RunnerProcess other)
        {
            foreach (var path in Directory.EnumerateFiles(_runner.Folder, "*", SearchOption.AllDirectories))
            {
                var copy = Path.Combine(other.Folder, Path.GetRelativePath(_runner.Folder, path));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(path, copy);
            }

            return _output.Replace(_runner.Folder, other.Folder, StringComparison.Ordinal);
        }
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>The line behind the last "Go on with".</summary>
    private static string CommandIn(string output)
    {
        var lines = output.Split('\n');
        return lines[Array.FindLastIndex(lines, line => line.StartsWith("Go on with", StringComparison.Ordinal)) + 1].Trim();
    }

    private async Task<(int ExitCode, string Output, string Error)> ShellAsync(string command)
    {
        var start = new ProcessStartInfo("bash", ["-c", command])
        {
            WorkingDirectory = _runner.Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        return await RunnerProcess.FinishAsync(Process.Start(start)!);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
