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
}
