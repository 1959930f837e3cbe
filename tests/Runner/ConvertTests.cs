namespace NotebookLib.Tests.Runner;

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
        foreach (var (target, expected) in new[] { (_runner.Folder, "is a folder; name a file"), ("/proc/nowhere/n.ipynb", "cannot be written"), (notebook, "is the notebook itself") })
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
            "# Title", "using System.IO;\nrecord Pair(int A);\nvar text = \"x\";", "// parameters\nvar seed = 42; // of all\nstring? path = null;", "var pair = new Pair(seed);\ntext.Display();\npair");

        var (exitCode, output, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("convert", notebook, "--to", "cs"));

        Assert.True(exitCode == 0, error);
        var program = await File.ReadAllTextAsync(output.Trim(), TestContext.Current.CancellationToken);
        Assert.Contains("using System.IO;\nusing NotebookRunner.Programs;\n", program, StringComparison.Ordinal);
        Assert.Contains("\n// %% [markdown]\n// # Title\n\n// %%\nprogram.Cell(2);\nvar text = \"x\";\n", program, StringComparison.Ordinal);
        Assert.Contains("\nvar seed = program.Argument<int>(\"seed\", 42); // of all\nstring? path = program.Argument<string?>(\"path\", null);\n", program, StringComparison.Ordinal);
        Assert.Contains("\ntext.Display();\nprogram.Show(pair);\n}\ncatch (Exception error)\n", program, StringComparison.Ordinal);
        Assert.EndsWith("\nrecord Pair(int A);\n", program, StringComparison.Ordinal);
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
}
