using System.Diagnostics;
using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Runner;

[StartsProcesses]
public sealed class ConvertTests : IDisposable
{
    private readonly RunnerProcess _runner = new();

    public void Dispose() => _runner.Dispose();

    [Fact]
    public async Task A_file_that_is_there_is_replaced_only_by_force()
    {
        var notebook = _runner.WriteNotebook("# A title", "1 + 1");
        var target = Path.ChangeExtension(notebook, "ipynb");
        await File.WriteAllTextAsync(target, "edited by hand", TestContext.Current.CancellationToken);

        var (refusedCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "ipynb"));
        var kept = await File.ReadAllTextAsync(target, TestContext.Current.CancellationToken);
        var (forcedCode, output, _) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "ipynb", "--force"));

        Assert.Equal((2, 0), (refusedCode, forcedCode));
        Assert.Equal($"{target} exists already and was left as it is. Name another file with --output, or replace it with --force.\n", error);
        Assert.Equal("edited by hand", kept);
        Assert.Equal(target + "\n", output);
        Assert.Contains("\"nbformat\": 4", await File.ReadAllTextAsync(target, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_target_that_cannot_be_a_file_is_said_in_words()
    {
        var notebook = _runner.WriteNotebook("1");
        foreach (var (target, expected)
            in new[] { (_runner.Folder, "is a folder; name a file"), ("/proc/nowhere/n.ipynb", "cannot be written"), (notebook, "is the notebook itself") })
        {
            var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "ipynb", "--output", target));

            Assert.Equal(2, exitCode);
            Assert.Contains(expected, error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_notebook_becomes_a_program_with_usings_above_types_below_and_parameters_as_arguments()
    {
        var notebook = _runner.WriteNotebook(
            "# Title", "using System.IO;\nrecord Pair(int A);\nvar text = \"x\";", "// parameters\nvar seed = 42; // of all\nstring? path = null;",
            "var pair = new Pair(seed);\ntext.Display();\npair");

        var (exitCode, output, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "cs"));

        Assert.True(exitCode == 0, error);
        var program = await File.ReadAllTextAsync(output.Trim(), TestContext.Current.CancellationToken);
        Assert.Contains("using System.IO;\nusing NotebookRunner.Programs;\n", program, StringComparison.Ordinal);
        Assert.Contains("\n// %% [markdown]\n// # Title\n\n// %%\nprogram.Cell(2);\nvar text = \"x\";\n", program, StringComparison.Ordinal);
        Assert.Contains("\nvar seed = program.Argument<int>(\"seed\", 42); // of all\nstring? path = program.Argument<string?>(\"path\", null);\n", program,
            StringComparison.Ordinal);
        Assert.Contains("\ntext.Display();\nprogram.Show(pair);\n}\ncatch (Exception error)\n", program, StringComparison.Ordinal);
        Assert.EndsWith("\nrecord Pair(int A);\n", program, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_compiles_and_shows_what_the_notebook_shows()
    {
        string[] cells =
        [
            "# Title",
            $"#r \"{Repository.PathOf("bin", "lib", "NotebookLib.dll")}\"\nusing NotebookLib.Display;\nusing NotebookLib.Results;\nrecord "
                + "Pair(string Name, int Value);",
            "// parameters\nvar seed = 42; // of all\nstring? path = null; // a file\nstring[] types = []; // of entities",
            "Console.WriteLine(\"printed\");\n(await Task.FromResult(seed + 1)).Display();\nNotebookHost.Show(\"first\").Update(\"second\");\nnew "
                + "Pair(\"a<b\", seed)",
            "RunScores.Publish(new Dictionary<string, double> { [\"test F1\"] = seed / 10.0 });\n$\"{path} {string.Join('+', types)}\"",
        ];
        string[] arguments = ["-p", "seed=7", "-p", "path=here", "-p", "types=PER,ORG"];
        var (ran, _, runError) = await _runner.RunAsync(cells, arguments);
        Assert.True(ran == 0, runError);
        var name = $"p{Guid.NewGuid():N}";
        var source = Path.Combine(_runner.Folder, name + ".cs");
        var (converted, _, convertError) =
            await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", Path.Combine(_runner.Folder, "n.dib"), "--to", "cs", "--output", source));
        Assert.True(converted == 0, convertError);

        try
        {
            // The two projects are built already, and other tests run on them.
            var (built, buildOutput, buildError) = await RunnerProcess.FinishAsync(Dotnet("build", source, "-p:BuildProjectReferences=false"));
            Assert.True(built == 0, buildOutput + buildError);
            var folder = Path.Combine(_runner.Folder, "of program");
            var (exitCode, output, error) = await RunnerProcess.FinishAsync(Dotnet(["run", "--no-build", source, "--", .. arguments, "--output", folder]));
            var (refused, _, refusal) = await RunnerProcess.FinishAsync(Dotnet("run", "--no-build", source, "--", "-p", "sede=7"));

            Assert.True(exitCode == 0, output + error);
            var notebook = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, name + ".ipynb"), TestContext.Current.CancellationToken))!;
            Assert.Equal(Outputs(_runner.Jupyter), Outputs(notebook));
            Assert.Equal(["stream:printed\n", "display_data:8", "display_data:second", "execute_result:Pair\n      Name: a<b\n      Value: 7"],
                Outputs(notebook)[2]);
            Assert.Equal(
                "0.7", JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "run.json"), TestContext.Current.CancellationToken))!["scores"]![
                "test F1"]!.ToJsonString());
            Assert.Contains(Path.Combine(folder, name + ".html"), output, StringComparison.Ordinal);
            Assert.Equal(2, refused);
            Assert.Contains("seed", refusal, StringComparison.Ordinal);
        }
        finally
        {
            var binaries = Repository.PathOf("bin", $"program-{name}");
            if (Directory.Exists(binaries))
            {
                Directory.Delete(binaries, recursive: true);
            }
        }
    }

    [Fact]
    public async Task What_a_program_cannot_have_is_named_cell_by_cell()
    {
        var notebook = _runner.WriteNotebook("var a = 1;", "#!time\na", "var a = 2;", "#r \"other.dll\"");

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "cs"));

        Assert.Equal(2, exitCode);
        Assert.Contains("(cell 2): '#!time' is a magic command", error, StringComparison.Ordinal);
        Assert.Contains("(cell 3): 'a' is declared a second time", error, StringComparison.Ordinal);
        Assert.Contains("(cell 4): '#r \"other.dll\"': a file-based program takes projects and packages", error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.ChangeExtension(notebook, "cs")));
    }

    [Theory]
    [InlineData("return 3;", "(cell 1): 'return 3;' ends a notebook's cell")]
    [InlineData("if (true) { return 3; }", "(cell 1): 'return 3;' ends a notebook's cell")]
    [InlineData("#load \"x.csx\"", "(cell 1): '#load \"x.csx\"' is for scripts")]
    [InlineData("// %%\n1", "(cell 1): '// %%' begins a cell in a program")]
    [InlineData("await Microsoft.DotNet.Interactive.Kernel.GetInputAsync(\"q?\")", "(cell 1): GetInputAsync asks a notebook's reader")]
    [InlineData("int Size { get; set; }", "(cell 1): 'int Size { get; set; }' stands outside of a type")]
    public async Task What_a_notebook_may_say_and_a_program_may_not_is_refused(string cell, string expected)
    {
        var notebook = _runner.WriteNotebook(cell, "2");

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "cs"));

        Assert.Equal(2, exitCode);
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.ChangeExtension(notebook, "cs")));
    }

    [Fact]
    public async Task Returns_of_functions_stay_and_members_lose_the_words_that_locals_cannot_have()
    {
        var notebook = _runner.WriteNotebook("public static int a = 5;\nprivate int Twice(int x) { return 2 * x; }\nFunc<int> three = () "
            + "=> { return 3; };\nTwice(a)");

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "cs"));

        Assert.True(exitCode == 0, error);
        var program = await File.ReadAllTextAsync(Path.ChangeExtension(notebook, "cs"), TestContext.Current.CancellationToken);
        Assert.Contains("\nint a = 5;\nint Twice(int x) { return 2 * x; }\nFunc<int> three = () => { return 3; };\nprogram.Show(Twice(a));\n", program,
            StringComparison.Ordinal);
    }

    private static Process Dotnet(params string[] arguments) =>
        Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    /// <summary>What each code cell shows.</summary>
    private static List<List<string>> Outputs(JsonNode notebook) =>
        [.. notebook["cells"]!.AsArray().Where(cell => (string)cell!["cell_type"]! == "code")
            .Select(cell => cell!["outputs"]!.AsArray().Select(output => JupyterText.Of(output!)).ToList())];
}
