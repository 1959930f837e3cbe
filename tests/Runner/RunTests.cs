extern alias runner;

using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using runner::NotebookRunner.Running;

namespace NotebookLib.Tests.Runner;

[StartsProcesses]
public sealed partial class RunTests : IDisposable
{
    private readonly RunnerProcess _runner = new();

    public void Dispose() => _runner.Dispose();

    [Fact]
    public async Task Cells_see_each_other_and_the_library_is_loaded_once_for_all_of_them()
    {
        var lib = Repository.PathOf("bin", "lib");
        var (exitCode, _, error) = await _runner.RunAsync(
        [
            "# A title",
            $"#r \"{lib}/NotebookLib.dll\"\n#r \"{lib}/TorchSharp.dll\"\nusing TorchSharp;\nusing NotebookLib.Platform;\nNativeLibraries.EnsureLoaded();",
            "// parameters\nvar count = 4; // how many",
            "record Pair(string Name, int Value);\nvar x = torch.arange(count);\nvar pair = new Pair(\"a<b\", (int)x.sum().item<long>());",
            "var copies = AppDomain.CurrentDomain.GetAssemblies().Count(a => a.GetName().Name is \"NotebookLib\" or \"TorchSharp\");\n(pair.Value, copies, "
                + "await Task.FromResult(\"awaited\"))",
        ], "-p", "count=5");

        Assert.True(exitCode == 0, error);
        Assert.Contains("( 10, 2, awaited )", Texts(_runner.Jupyter["cells"]![4]!), StringComparison.Ordinal);
        Assert.Equal("5", (string)_runner.Summary["parameters"]![0]!["value"]!);
        Assert.Equal("ok", (string)_runner.Summary["status"]!);
        Assert.Contains("NotebookLib", _runner.Summary["versions"]!.AsObject().Select(version => version.Key));
    }

    [Fact]
    public async Task Streams_displays_native_output_and_the_last_value_come_in_their_order()
    {
        var (exitCode, output, _) = await _runner.RunAsync(
        [
            """
            Console.WriteLine("one");
            display("two");
            Console.Error.Write("three");
            var four = display("4");
            Console.Write("five");
            four.Update("never seen");
            four.Update("four");
            "six"
            """,
            "System.Diagnostics.Process.Start(\"echo\", \"from another process\").WaitForExit();",
            "Console.Write(\"10%\\r\"); await Task.Delay(150); Console.Write(\"20%\\r\"); Console.WriteLine(\"done\");",
        ]);

        Assert.Equal(0, exitCode);
        var cells = _runner.Jupyter["cells"]!;
        Assert.Equal(["stream:one\n", "display_data:two", "stream:three", "display_data:4", "stream:five", "display_data:four", "execute_result:six"],
            Outputs(cells[0]!));
        Assert.Equal(["stream:from another process\n"], Outputs(cells[1]!));
        Assert.Equal(["stream:done\n"], Outputs(cells[2]!));
        Assert.Contains("        | one\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Types_of_the_library_are_rendered_by_their_own_convention_also_derived_and_in_arrays()
    {
        var lib = Repository.PathOf("bin", "lib", "NotebookLib.dll");
        var (exitCode, _, error) = await _runner.RunAsync(
        [
            $"#r \"{lib}\"\nusing NotebookLib.Html;\n" + """
                class Mine(string title) : HtmlView
                {
                    public override string ToHtml() => $"<div class=\"nl-title\">{System.Net.WebUtility.HtmlEncode(title)}</div>";
                    public override string ToText() => $"{title}\n(reason)";
                }
                NotebookLib.Display.NotebookHost.Show(new Mine("shown <1>")).Update(new Mine("updated <2>"));
                """,
            "new Mine(\"last <3>\")",
            "new HtmlView[] { new Mine(\"in an array <4>\") }",
        ]);

        Assert.True(exitCode == 0, error);
        Assert.Equal(["display_data:updated <2>\n(reason)"], Outputs(_runner.Jupyter["cells"]![0]!));
        Assert.Equal(["execute_result:last <3>\n(reason)"], Outputs(_runner.Jupyter["cells"]![1]!));
        Assert.DoesNotContain("shown", Outputs(_runner.Jupyter["cells"]![0]!)[0], StringComparison.Ordinal);
        foreach (var title in new[] { "updated &lt;2&gt;", "last &lt;3&gt;", "in an array &lt;4&gt;" })
        {
            Assert.Contains($"<div class=\"nl-title\">{title}</div>", _runner.Page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_kernel_whose_runner_was_killed_ends_too()
    {
        var process = RunnerProcess.Start("run",
            _runner.WriteNotebook("Console.WriteLine($\"kernel={Environment.ProcessId}\");\nwhile (true) { await Task.Delay(10); }"), "--output",
            _runner.Output);
        var line = await RunnerProcess.ReadUntilAsync(process, "| kernel=");

        process.Kill();
        using var kernel = System.Diagnostics.Process.GetProcessById(int.Parse(line!.Split('=')[1], System.Globalization.CultureInfo.InvariantCulture));
        await kernel.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        Assert.True(kernel.HasExited);
    }

    [Fact]
    public async Task A_cell_that_throws_ends_the_run_with_its_name_its_line_and_everything_so_far()
    {
        var (exitCode, _, error) = await _runner.RunAsync(
        [
            "# Before", "Console.WriteLine(\"kept\");\nvar a = 1;", "# The bad part",
            "var b = 0;\nConsole.WriteLine(\"half\");\nint Divide(int x) =>\n    a / x;\nDivide(b)", "\"never\"",
        ]);

        Assert.Equal(1, exitCode);
        Assert.Contains("Cell 4, The bad part, line 4 (n.dib line 19): System.DivideByZeroException", error, StringComparison.Ordinal);
        Assert.Contains("at Divide(Int32 x) in cell 4, line 4", error, StringComparison.Ordinal);
        Assert.Equal(["ok", "failed", "notRun"], _runner.Summary["cells"]!.AsArray().Select(cell => (string)cell!["status"]!));
        Assert.Equal(19, (int)_runner.Summary["cells"]![1]!["error"]!["notebookLine"]!);
        Assert.Equal(["stream:half\n", "error:Attempted to divide by zero."], Outputs(_runner.Jupyter["cells"]![3]!));
        Assert.Contains("kept", _runner.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_compile_error_is_underlined()
    {
        var (exitCode, _, error) = await _runner.RunAsync(["var a = 1;\nvar b = undefinedThing + a;"]);

        Assert.Equal(1, exitCode);
        Assert.Contains("line 2 (n.dib line 4): compile error", error, StringComparison.Ordinal);
        Assert.Contains("    var b = undefinedThing + a;\n            ^^^^^^^^^^^^^^\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cell_that_uses_what_a_later_cell_makes_says_which_one_that_is()
    {
        var (exitCode, _, error) = await _runner.RunAsync(["1 + early + Late(2) + nowhere", "# The end", "var early = 1;\nint Late(int value) => value;"]);

        Assert.Equal(1, exitCode);
        Assert.Contains("'early' is made by cell 3 (The end), which comes after this one: move that cell up, or this one down.\n", error,
            StringComparison.Ordinal);
        Assert.Contains("'Late' is made by cell 3 (The end)", error, StringComparison.Ordinal);
        Assert.DoesNotContain("'nowhere' is made", error, StringComparison.Ordinal);
        Assert.Contains("is made by cell 3 (The end)", _runner.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_native_crash_leaves_a_report()
    {
        var (exitCode, _, error) = await _runner.RunAsync(
            ["Console.WriteLine(\"before\");", "Console.WriteLine(\"during\"); Environment.FailFast(\"gone\");", "1"]);

        Assert.Equal(1, exitCode);
        Assert.Contains("SIGABRT", error, StringComparison.Ordinal);
        Assert.Equal(["ok", "failed", "notRun"], _runner.Summary["cells"]!.AsArray().Select(cell => (string)cell!["status"]!));
        Assert.Contains("stream:during\n", Outputs(_runner.Jupyter["cells"]![1]!));
        Assert.Contains("gone", _runner.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cell_that_takes_too_long_is_asked_to_stop_and_then_ended()
    {
        var (exitCode, _, error) = await _runner.RunAsync(
            ["Console.WriteLine(\"begun\");\nSystem.Threading.Thread.Sleep(-1);", "1"], "--timeout", "20", "--grace", "0.3");

        Assert.Equal(1, exitCode);
        Assert.Contains("took longer than 20 s (--timeout); it did not stop when asked", error, StringComparison.Ordinal);
        Assert.Equal(["timedOut", "notRun"], _runner.Summary["cells"]!.AsArray().Select(cell => (string)cell!["status"]!));
        Assert.Equal("stream:begun\n", Outputs(_runner.Jupyter["cells"]![0]!)[0]);
    }

    [Fact]
    public async Task Ctrl_C_lets_a_cell_that_listens_finish_with_what_it_has()
    {
        var lib = Repository.PathOf("bin", "lib", "NotebookLib.dll");
        var process = RunnerProcess.Start(
            "run", _runner.WriteNotebook(
                $"#r \"{lib}\"\nvar token = NotebookLib.Platform.Interruption.Token;",
                "Console.WriteLine(\"training\");\nwhile (!token.IsCancellationRequested) { await Task.Delay(20); }\nConsole.WriteLine(\"checkpoint saved\");",
                "\"never\""), "--output", _runner.Output);
        await RunnerProcess.ReadUntilAsync(process, "| training");

        Assert.Equal(0, Kill(process.Id, 2));
        var (exitCode, output, _) = await RunnerProcess.FinishAsync(process);

        Assert.Equal(130, exitCode);
        Assert.Contains("checkpoint saved", output, StringComparison.Ordinal);
        Assert.Equal(["ok", "interrupted", "notRun"], _runner.Summary["cells"]!.AsArray().Select(cell => (string)cell!["status"]!));
        Assert.Equal("interrupted", (string)_runner.Summary["status"]!);
        Assert.Contains("checkpoint saved", _runner.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SIGTERM_to_the_whole_group_lets_a_cell_that_listens_finish_too()
    {
        var lib = Repository.PathOf("bin", "lib", "NotebookLib.dll");
        var process = RunnerProcess.StartGroup(
            "run", _runner.WriteNotebook(
                $"#r \"{lib}\"\nvar token = NotebookLib.Platform.Interruption.Token;\n"
                + "Console.WriteLine(\"training\");\nwhile (!token.IsCancellationRequested) { await Task.Delay(20); "
                    + "}\nawait Task.Delay(300);\nConsole.WriteLine(\"checkpoint saved\");",
                "\"never\""), "--output", _runner.Output);
        await RunnerProcess.ReadUntilAsync(process, "| training");

        // What `timeout` does: its child, then the group. That is one request, not two.
        Assert.Equal(0, Kill(process.Id, 15));
        await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.Equal(0, Kill(-process.Id, 15));
        var (exitCode, output, error) = await RunnerProcess.FinishAsync(process);

        Assert.True(exitCode == 130, error);
        Assert.Contains("checkpoint saved", output, StringComparison.Ordinal);
        Assert.Contains("Somebody asked to stop (SIGTERM); it stopped when asked", error, StringComparison.Ordinal);
        Assert.DoesNotContain("Ctrl-C", output + error, StringComparison.Ordinal);
        Assert.Equal(["interrupted", "notRun"], _runner.Summary["cells"]!.AsArray().Select(cell => (string)cell!["status"]!));
    }

    [Theory]
    [InlineData("", "(Ctrl-C); it stopped when asked.\nNothing is <lost>: go on with -p resume=true",
        "throw new OperationCanceledException(\"Nothing is <lost>: go on with -p resume=true\")")]
    [InlineData("", "(Ctrl-C); it stopped when asked.\nSystem.IO.IOException: no room", "throw new System.IO.IOException(\"no room\")")]
    [InlineData("", "(Ctrl-C); it stopped when asked.", "token.ThrowIfCancellationRequested()")]
    [InlineData("--timeout", "(--timeout); it stopped when asked.\nNothing is <lost>: go on with -p resume=true",
        "throw new OperationCanceledException(\"Nothing is <lost>: go on with -p resume=true\")")]
    public async Task What_a_stopped_cell_says_itself_stands_in_the_terminal_on_the_page_and_in_the_facts(string option, string expected, string answer)
    {
        var notebook = _runner.WriteNotebook(
            $"var token = (System.Threading.CancellationToken)AppContext.GetData(\"NotebookHost.Interrupted\");\nConsole.WriteLine(\"training\");\nwhile "
                + $"(!token.IsCancellationRequested) {{ await Task.Delay(20); }}\n{answer};");
        var process = RunnerProcess.Start(["run", notebook, "--output", _runner.Output, .. option.Length > 0 ? new[] { option, "3", "--grace", "60" } : []]);
        await RunnerProcess.ReadUntilAsync(process, "| training");

        if (option.Length == 0)
        {
            Assert.Equal(0, Kill(process.Id, 2));
        }

        var (_, _, error) = await RunnerProcess.FinishAsync(process);
        var message = (string)_runner.Summary["cells"]![0]!["error"]!["message"]!;

        Assert.EndsWith(expected, message, StringComparison.Ordinal);
        Assert.Contains(message + "\n", error, StringComparison.Ordinal);
        Assert.Contains($"{System.Net.WebUtility.HtmlEncode(message)}</p>", _runner.Page, StringComparison.Ordinal);
    }

    [Fact]
    public void Signals_that_come_together_are_one_request()
    {
        using var stops = new StopRequests();
        foreach (var (signal, milliseconds, expected) in new (PosixSignal, int, int)[]
        {
            (PosixSignal.SIGTERM, 10, 1), (PosixSignal.SIGTERM, 40, 1), (PosixSignal.SIGTERM, 1_005, 1), (PosixSignal.SIGTERM, 1_020, 2),
            (PosixSignal.SIGINT, 1_100, 2), (PosixSignal.SIGINT, 1_400, 3),
        })
        {
            stops.Receive(signal, TimeSpan.FromMilliseconds(milliseconds));
            Assert.Equal(expected, stops.Count);
        }

        Assert.Equal("SIGTERM", stops.Word);
    }

    [Fact]
    public async Task A_second_ctrl_C_ends_a_cell_that_does_not_listen()
    {
        var process = RunnerProcess.Start("run", _runner.WriteNotebook("Console.WriteLine(\"deaf\");\nwhile (true) { }", "1"), "--output", _runner.Output);
        await RunnerProcess.ReadUntilAsync(process, "| deaf");

        Assert.Equal(0, Kill(process.Id, 2));
        await Task.Delay(500, TestContext.Current.CancellationToken);
        Assert.Equal(0, Kill(process.Id, 2));
        var (exitCode, _, error) = await RunnerProcess.FinishAsync(process);

        Assert.Equal(130, exitCode);
        Assert.Contains("its process was ended", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bad_input_runs_nothing_and_exits_with_2()
    {
        var notebook = _runner.WriteNotebook("1");
        (string Cell, string[] Arguments, string Expected)[] cases =
        [
            ("1", ["run", Path.Combine(_runner.Folder, "none.dib")], "no such notebook"),
            ("// parameters\nvar seed = 1;", ["run", notebook, "-p", "sede=2", "--output", _runner.Output], "Did you mean 'seed'?"),
            ("// parameters\nvar seed = 1;", ["run", notebook, "-p", "seed=2", "-p", "seed=3", "--output", _runner.Output], "set twice"),
            ("1", ["run", notebook, "-p", "seed=2", "--output", _runner.Output], "no parameter cell"),
            ("1", ["run", notebook, "--output", "/proc/nowhere"], "cannot be written"),
            ("1", ["run", _runner.Folder], $"{_runner.Folder} is a folder, not a notebook; it has n.dib."),
            ("1", ["run", notebook, "--timeout", "soon"], "--timeout: expected a number of seconds between 0 and 1e8, as in --timeout 90, found 'soon'."),
            ("1", ["run", notebook, "--timeout", "-3"], "--timeout: expected a number of seconds between 0 and 1e8, as in --timeout 90, found '-3'."),
            ("1", ["run", notebook, "--grace", "1,5"], "--grace: expected a number of seconds between 0 and 1e8, as in --grace 90, found '1,5'."),
            ("1", ["verify", _runner.Folder], "holds none of the folders"),
            ("1", ["frobnicate"], "frobnicate"),
        ];
        foreach (var (cell, arguments, expected) in cases)
        {
            _runner.WriteNotebook(cell);
            var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(arguments));
            Assert.True(exitCode == 2, $"{string.Join(' ', arguments)}: exit code {exitCode}");
            Assert.Contains(expected, error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(_runner.Output));
    }

    [Fact]
    public async Task A_folder_with_a_trained_run_keeps_its_page_unless_the_run_goes_on()
    {
        var notebook = _runner.WriteNotebook("// parameters\nvar resume = false;", "\"done\"");
        Directory.CreateDirectory(Path.Combine(_runner.Output, "checkpoints", "checkpoint-243"));
        var page = Path.Combine(_runner.Output, "n.html");
        await File.WriteAllTextAsync(page, "a week's work", TestContext.Current.CancellationToken);

        var (refused, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", notebook, "--output", _runner.Output));
        var kept = await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken);
        var (resumed, _, _) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", notebook, "--output", _runner.Output, "-p", "resume=true"));

        Assert.Equal((2, "a week's work", 0), (refused, kept, resumed));
        Assert.Contains("holds a run already (checkpoints/checkpoint-243). Go on with it by\n", error, StringComparison.Ordinal);
        Assert.Contains($"run --resume {_runner.Output}\n", error, StringComparison.Ordinal);
        Assert.NotEqual(kept, await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Verify_fails_when_a_golden_cannot_be_met()
    {
        var folder = Directory.CreateDirectory(Path.Combine(_runner.Folder, "alignment")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "align.jsonl.gz"), "no gzip", TestContext.Current.CancellationToken);

        var (exitCode, output, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("verify", _runner.Folder));

        Assert.True(exitCode == 1, error);
        Assert.Contains("quantities fall short", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scores_that_a_notebook_leaves_stand_on_its_page_and_in_its_facts()
    {
        const string Write = "System.IO.File.WriteAllText(System.IO.Path.Combine(Environment.GetEnvironmentVariable(\"NOTEBOOK_OUTPUT\"), \"scores.json\"), ";

        var (exitCode, _, _) = await _runner.RunAsync([Write + "\"{\\\"test F1\\\": 0.912345}\");"]);
        Assert.Equal(0, exitCode);
        Assert.Equal(0.912345, (double)_runner.Summary["scores"]!["test F1"]!);
        Assert.Contains("<dt>test F1</dt><dd>0.9123</dd>", _runner.Page, StringComparison.Ordinal);

        var (damagedExitCode, _, error) = await _runner.RunAsync([Write + "\"[1]\");"]);
        Assert.Equal(1, damagedExitCode);
        Assert.Contains("expected one JSON object of numbers", error, StringComparison.Ordinal);
        Assert.Empty(_runner.Summary["scores"]!.AsObject());
    }

    private static string[] Outputs(JsonNode cell) => [.. cell["outputs"]!.AsArray().Select(output => JupyterText.Of(output!))];

    private static string Texts(JsonNode cell) => string.Concat(Outputs(cell));

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
