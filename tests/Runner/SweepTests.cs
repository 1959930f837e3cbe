extern alias runner;

using AngleSharp.Html.Parser;
using runner::NotebookRunner.Parameters;
using runner::NotebookRunner.Sweeps;

namespace NotebookLib.Tests.Runner;

[StartsProcesses]
public sealed class SweepTests : IDisposable
{
    private readonly RunnerProcess _runner = new();

    public void Dispose() => _runner.Dispose();

    [Fact]
    public void A_grid_gives_all_combinations_the_last_parameter_fastest()
    {
        var grid = SweepGrid.Parse(["a=1,2", "b=x", "b=y"]);

        Assert.Equal(["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"], grid.Points().Select(point => point.Words));
    }

    [Fact]
    public void Folder_names_are_safe_and_different_for_different_points()
    {
        var points = SweepGrid.Parse(["path=/a/b,_a_b,a b," + new string('x', 300) + ",..,seed"]).Points();

        Assert.Equal(6, points.Select(point => point.FolderName).Distinct().Count());
        Assert.All(points, point => Assert.Matches(@"\A[A-Za-z0-9=,._-]{1,120}\z", point.FolderName));
        Assert.Equal("path=seed", points[5].FolderName);
    }

    [Theory]
    [InlineData("a=1,1", "occurs twice")]
    [InlineData("a", "expected name=value")]
    [InlineData("a=1,2,3,4,5,6,7,8,9,10,11 b=1,2,3,4,5,6,7,8,9,10 c=1,2,3,4,5,6,7,8,9,10", "1100 combinations")]
    [InlineData("", "at least one --grid")]
    public void A_grid_that_makes_no_sense_is_refused(string options, string expected)
    {
        var error = Assert.Throws<ParameterException>(() => SweepGrid.Parse(options.Split(' ', StringSplitOptions.RemoveEmptyEntries)));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Spread_is_the_mean_and_the_sample_deviation()
    {
        Assert.Equal(new ScoreSpread(2, 1, 3), ScoreSpread.Of([1, 2, 3]));
        Assert.Equal(double.NaN, ScoreSpread.Of([5]).Deviation);
    }

    [Fact]
    public async Task A_sweep_runs_every_combination_goes_on_past_failures_and_resumes_where_it_stopped()
    {
        var fuse = Path.Combine(_runner.Folder, "fuse");
        var notebook = _runner.WriteNotebook(
            "// parameters\nvar seed = 0;\nvar rate = 0.5; // per update",
            $$"""
            var folder = Environment.GetEnvironmentVariable("NOTEBOOK_OUTPUT");
            var checkpoints = System.IO.Path.Combine(folder, "checkpoints");
            if (System.IO.Directory.Exists(checkpoints)) { throw new Exception("another run lies here"); }
            System.IO.Directory.CreateDirectory(checkpoints);
            if (seed == 2 && rate == 1 && !System.IO.File.Exists("{{fuse}}")) { throw new Exception("diverged"); }
            System.IO.File.WriteAllText(System.IO.Path.Combine(folder, "scores.json"), System.Text.Json.JsonSerializer.Serialize(new { F1 = seed + rate, loss = rate }));
            """);
        string[] arguments = ["sweep", notebook, "--grid", "seed=1,2", "--grid", "rate=0.25,1", "--parallel", "2", "--output", _runner.Output];

        var (firstExit, firstOutput, _) = await RunnerProcess.FinishAsync(RunnerProcess.Start(arguments));
        var firstTable = await File.ReadAllLinesAsync(Path.Combine(_runner.Output, "comparison.csv"), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(fuse, "", TestContext.Current.CancellationToken);
        var (secondExit, secondOutput, _) = await RunnerProcess.FinishAsync(RunnerProcess.Start(arguments));

        Assert.Equal((1, 0), (firstExit, secondExit));
        Assert.Contains("[seed=2 rate=1] FAILED: cell 2", firstOutput, StringComparison.Ordinal);
        Assert.Equal("seed,rate,status,seconds,F1,loss", firstTable[0]);
        Assert.Equal(["1,0.25,ok", "1,1,ok", "2,0.25,ok", "2,1,failed"], firstTable[1..].Select(line => string.Join(',', line.Split(',')[..3])));
        Assert.Contains("4 combinations, 3 of them done by an earlier sweep", secondOutput, StringComparison.Ordinal);
        Assert.Single(secondOutput.Split('\n'), line => line.EndsWith("begins", StringComparison.Ordinal));
        AssertComparison();
    }

    [Fact]
    public async Task Processes_in_one_folder_run_each_combination_once_and_write_the_table_of_one_process()
    {
        // The first run of a process ends when another has begun: both are at work.
        var notebook = _runner.WriteNotebook(
            "// parameters\nvar seed = 0;\nvar rate = 0.5;",
            $$"""
            var runs = System.IO.Directory.CreateDirectory("{{_runner.Folder}}/runs").FullName;
            System.IO.File.AppendAllText(System.IO.Path.Combine(runs, $"{seed} {rate}"), "run\n");
            while (System.IO.Directory.GetFiles(runs).Length < 2) { System.Threading.Thread.Sleep(20); }
            if (seed == 2 && rate == 0.1) { throw new Exception("diverged, \"badly\""); }
            System.IO.File.WriteAllText(System.IO.Path.Combine(Environment.GetEnvironmentVariable("NOTEBOOK_OUTPUT"), "scores.json"),
                System.Text.Json.JsonSerializer.Serialize(new { F1 = seed / 3.0 + rate, loss = rate / 7 }));
            """);
        string[] arguments = ["sweep", notebook, "--grid", "seed=1,2", "--grid", "rate=0.1,0.3", "--output", _runner.Output];
        var ends = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => RunnerProcess.FinishAsync(RunnerProcess.Start(arguments))));

        Assert.All(ends, end => Assert.Equal(1, end.ExitCode));
        Assert.All(ends, end => Assert.Contains("1 of 4 runs did not end well", end.Output, StringComparison.Ordinal));
        Assert.All(ends, end => Assert.Contains(" begins\n", end.Output, StringComparison.Ordinal));
        Assert.All(ends, end => Assert.Contains("; by ", end.Output, StringComparison.Ordinal));
        var runs = Directory.GetFiles(Path.Combine(_runner.Folder, "runs"));
        Assert.Equal(4, runs.Length);
        Assert.All(runs, run => Assert.Equal("run\n", File.ReadAllText(run)));
        var expected = from seed in new[] { 1, 2 }
                       from rate in new[] { 0.1, 0.3 }
                       select Invariant($"{seed},{rate},") + (seed == 2 && rate == 0.1 ? "failed,," : Invariant($"ok,{(seed / 3.0) + rate:R},{rate / 7:R}"));
        Assert.Equal(expected.Prepend("seed,rate,status,F1,loss"), WithoutSeconds(_runner.Output));
    }

    [Fact]
    public async Task A_killed_processs_combination_is_taken_up_by_another_and_goes_on()
    {
        var notebook = _runner.WriteNotebook(
            "// parameters\nvar seed = 0;\nbool resume = false;\nstring? output = null;",
            """
            var folder = Environment.GetEnvironmentVariable("NOTEBOOK_OUTPUT");
            var checkpoints = System.IO.Directory.CreateDirectory(System.IO.Path.Combine(folder, "checkpoints")).FullName;
            if (!resume) { System.IO.File.WriteAllText(System.IO.Path.Combine(checkpoints, ".training.lock"), ""); }
            System.IO.File.WriteAllText(System.IO.Path.Combine(folder, "begun"), "");
            while (seed == 1 && !resume) { System.Threading.Thread.Sleep(20); }
            System.IO.File.WriteAllText(System.IO.Path.Combine(folder, "scores.json"), resume ? "{\"resumed\": 1}" : "{\"resumed\": 0}");
            """);
        string[] arguments = ["sweep", notebook, "--grid", "seed=1,2", "--output", _runner.Output];
        using var killed = RunnerProcess.Start(arguments);
        while (!File.Exists(Path.Combine(_runner.Output, "seed=1", "begun")) && !killed.HasExited)
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        using var other = RunnerProcess.Start(arguments);
        await RunnerProcess.ReadUntilAsync(other, "Waiting for what others run:");
        var holder = await RunnerProcess.ReadUntilAsync(other, "");
        var leaving = await RunnerProcess.FinishAsync(RunnerProcess.Start([.. arguments, "--no-wait"]));
        killed.Kill();
        var (exitCode, output, error) = await RunnerProcess.FinishAsync(other);

        Assert.Equal($"  [seed=1] {Environment.MachineName}, process {killed.Id}", holder);
        Assert.True(leaving.ExitCode == 0, leaving.Error);
        Assert.Contains("Left to other processes: 1 of 2", leaving.Output, StringComparison.Ordinal);
        Assert.True(exitCode == 0, error + output);
        Assert.Contains("[1/2 seed=1] begins", output, StringComparison.Ordinal);
        Assert.Equal(["seed,status,resumed", "1,ok,1", "2,ok,0"], WithoutSeconds(_runner.Output));
    }

    [Fact]
    public async Task Shards_run_their_own_combinations_and_the_last_completes_the_table()
    {
        var notebook = _runner.WriteNotebook("// parameters\nvar seed = 0;", "if (seed == 2) { throw new Exception(\"diverged\"); }");
        string[] arguments = ["sweep", notebook, "--grid", "seed=1,2,3", "--output", _runner.Output, "--shard"];

        var second = await RunnerProcess.FinishAsync(RunnerProcess.Start([.. arguments, "2/2"]));
        var half = WithoutSeconds(_runner.Output);
        var first = await RunnerProcess.FinishAsync(RunnerProcess.Start([.. arguments, "1/2"]));
        var wrong = await RunnerProcess.FinishAsync(RunnerProcess.Start([.. arguments, "3/2"]));

        Assert.Equal((1, 0, 2), (second.ExitCode, first.ExitCode, wrong.ExitCode));
        Assert.Contains("3 combinations, 1 of them in shard 2/2", second.Output, StringComparison.Ordinal);
        Assert.Equal(["seed,status", "1,notRun", "2,failed", "3,notRun"], half);
        Assert.Contains("All runs ended well.", first.Output, StringComparison.Ordinal);
        Assert.Equal(["seed,status", "1,ok", "2,failed", "3,ok"], WithoutSeconds(_runner.Output));
        Assert.Contains("--shard: expected I/N with I from 1 to N, as in --shard 1/4, found '3/2'.", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sweep_of_something_else_is_refused_in_a_folder_where_another_is_at_work()
    {
        var notebook = _runner.WriteNotebook(
            "// parameters\nvar seed = 0;\nvar rate = 1;",
            $$"""
            System.IO.File.AppendAllText("{{_runner.Folder}}/runs", $"{seed} {rate}\n");
            while (seed == 2 && !System.IO.File.Exists("{{_runner.Folder}}/go")) { System.Threading.Thread.Sleep(20); }
            """);
        string[] arguments = ["sweep", notebook, "--grid", "seed=1,2", "--output", _runner.Output];
        using var first = RunnerProcess.Start(arguments);
        await RunnerProcess.ReadUntilAsync(first, "[2/2 seed=2] begins");

        var other = await RunnerProcess.FinishAsync(RunnerProcess.Start([.. arguments, "-p", "rate=2"]));
        var grid = await RunnerProcess.FinishAsync(RunnerProcess.Start(["sweep", notebook, "--grid", "seed=3", "--output", _runner.Output]));
        var larger = await RunnerProcess.FinishAsync(RunnerProcess.Start(["sweep", notebook, "--grid", "seed=3,1,2", "--output", _runner.Output]));
        var refusal = $"{Path.Combine(_runner.Output, "seed=2")}: {Environment.MachineName}, process {first.Id} runs another sweep in this folder: another "
            + "notebook, other parameters or another grid. Name another --output, or wait for its end.\n";
        await File.WriteAllTextAsync(Path.Combine(_runner.Folder, "go"), "", TestContext.Current.CancellationToken);
        var (exitCode, _, error) = await RunnerProcess.FinishAsync(first);

        Assert.Equal(2, other.ExitCode);
        Assert.Equal(refusal, other.Error);
        Assert.Equal((2, refusal), (grid.ExitCode, grid.Error));
        Assert.Equal((2, refusal), (larger.ExitCode, larger.Error));
        Assert.True(exitCode == 0, error);
        Assert.Equal(["1 1", "2 1"], await File.ReadAllLinesAsync(Path.Combine(_runner.Folder, "runs"), TestContext.Current.CancellationToken));
        Assert.Equal(["seed,status", "1,ok", "2,ok"], WithoutSeconds(_runner.Output));
    }

    [Fact]
    public async Task What_failed_and_was_run_again_by_a_later_sweep_is_in_the_table_of_whoever_ends_last()
    {
        var notebook = _runner.WriteNotebook(
            "// parameters\nvar seed = 0;",
            $$"""
            if (seed == 1 && !System.IO.File.Exists("{{_runner.Folder}}/mended")) { throw new Exception("diverged"); }
            while (seed == 2 && !System.IO.File.Exists("{{_runner.Folder}}/go")) { System.Threading.Thread.Sleep(20); }
            """);
        string[] arguments = ["sweep", notebook, "--grid", "seed=1,2", "--output", _runner.Output];
        using var first = RunnerProcess.Start(arguments);
        await RunnerProcess.ReadUntilAsync(first, "[2/2 seed=2] begins");
        await File.WriteAllTextAsync(Path.Combine(_runner.Folder, "mended"), "", TestContext.Current.CancellationToken);
        // As a process that knows of no other: the claim's holder counts as one of an earlier sweep.
        var claim = Path.Combine(_runner.Output, "seed=1", ".claim-1");
        var text = await File.ReadAllTextAsync(claim, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(claim, text.Replace("pid:[", "elsewhere:[", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var later = await RunnerProcess.FinishAsync(RunnerProcess.Start([.. arguments, "--no-wait"]));
        await File.WriteAllTextAsync(Path.Combine(_runner.Folder, "go"), "", TestContext.Current.CancellationToken);
        var (exitCode, _, error) = await RunnerProcess.FinishAsync(first);

        Assert.True(later.ExitCode == 0, later.Error);
        Assert.True(exitCode == 0, error);
        Assert.Equal(["seed,status", "1,ok", "2,ok"], WithoutSeconds(_runner.Output));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_any_more_ends_the_sweep_in_words_and_the_same_command_goes_on()
    {
        // Root may write anywhere; a file in the second combination's place stops root too.
        var notebook = _runner.WriteNotebook("// parameters\nvar seed = 0;", $"System.IO.File.WriteAllText(\"{_runner.Output}/seed=2\", \"\");");
        string[] arguments = ["sweep", notebook, "--grid", "seed=1,2", "--output", _runner.Output];
        var broken = await RunnerProcess.FinishAsync(RunnerProcess.Start(arguments));
        File.Delete(Path.Combine(_runner.Output, "seed=2"));

        var (exitCode, output, _) = await RunnerProcess.FinishAsync(RunnerProcess.Start([.. arguments, "--no-wait"]));

        Assert.InRange(broken.ExitCode, 1, 2);
        Assert.Contains(Path.Combine(_runner.Output, "seed=2"), broken.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", broken.Error, StringComparison.Ordinal);
        Assert.Equal(1, exitCode);
        Assert.Contains("1 of them done by an earlier sweep", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_grid_runs_nothing()
    {
        var notebook = _runner.WriteNotebook("// parameters\nvar seed = 0;");
        (string[] Options, string Expected)[] cases =
        [
            (["--grid", "sede=1,2"], "Did you mean 'seed'?"),
            (["--grid", "seed=1,x"], "expected a whole number"),
            (["--grid", "seed=1,2", "-p", "seed=3"], "varied by --grid and set by -p"),
            (["--grid", "seed=1,2", "--parallel", "0"], "--parallel: expected 1 to 64 runs at once, found '0'."),
            (["--grid", "seed=1,2", "--parallel", "all"], "--parallel: expected 1 to 64 runs at once, found 'all'."),
            (["--grid", "seed=1,2", "--shard", "0/2"], "--shard: expected I/N"),
            (["--grid", "seed=1,2", "--lease", "1"], "--lease: expected 5 to 86400 seconds, found 1."),
        ];
        foreach (var (options, expected) in cases)
        {
            var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(["sweep", notebook, "--output", _runner.Output, .. options]));
            Assert.Equal(2, exitCode);
            Assert.Contains(expected, error, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(_runner.Output));
    }

    private static string[] WithoutSeconds(string folder)
    {
        var lines = File.ReadAllLines(Path.Combine(folder, "comparison.csv")).Select(line => line.Split(',')).ToList();
        var seconds = Array.IndexOf(lines[0], "seconds");
        return [.. lines.Select(cells => string.Join(',', cells.Where((_, i) => i != seconds)))];
    }

    private void AssertComparison()
    {
        var page = new HtmlParser().ParseDocument(File.ReadAllText(Path.Combine(_runner.Output, "comparison.html")));
        var tables = page.QuerySelectorAll("table.comparison").ToList();

        // Mean over seeds 1 and 2: (1.25 + 2.25) / 2, deviation 1/√2 = 0.7071.
        Assert.Equal(["0.25", "2", "1.75 ± 0.7071", "0.2500 ± 0"], tables[0].QuerySelectorAll("tbody tr:first-child td").Select(cell => cell.TextContent));
        Assert.Equal(["3"], tables[1].QuerySelectorAll("tbody td.best:nth-child(5)").Select(cell => cell.TextContent));
        Assert.Equal(4, tables[1].QuerySelectorAll("tbody tr").Length);
        Assert.All(page.QuerySelectorAll("tbody a"),
            link => Assert.True(File.Exists(Path.Combine(_runner.Output, Uri.UnescapeDataString(link.GetAttribute("href")!)))));
        Assert.Empty(page.QuerySelectorAll("link, script[src], img"));
    }
}
