using System.Diagnostics;
using NotebookLib.Tests.Runner;

namespace NotebookLib.Tests.Experiments;

/// <summary>What the cells that need the Hub say where it cannot be asked: in the kernel that runs them, with nothing kept on the machine.</summary>
[StartsProcesses]
public sealed class NoNetworkTests : IDisposable
{
    private static readonly string[] Cells =
    [
        $"#r \"{Repository.PathOf("bin", "lib", "NotebookLib.dll")}\"\nusing NotebookLib.Data;\nusing NotebookLib.Experiments;\nusing NotebookLib.Hub;",
        """
        var small = new InputSettings { Model = "microsoft/deberta-v3-xsmall" };
        var own = new InputSettings { Model = "data/tiny-deberta-v3", TrainData = "org/name" };
        foreach (var cell in new Func<Task>[]
            { () => Splits.ReadAsync(small, LabelSet.SystemA), () => Splits.ReadAsync(small, LabelSet.SystemA, trains: false),
                () => small.FetchAsync(small.Model), () => Splits.ReadAsync(own, LabelSet.SystemA) })
        {
            try { await cell(); }
            catch (HubException error) { Console.WriteLine("SAID " + error.Message.Replace("\n", " / ")); }
        }
        """,
    ];

    private readonly RunnerProcess _runner = new();

    public void Dispose() => _runner.Dispose();

    [Fact]
    public async Task Without_a_network_each_cell_names_what_is_missing_and_the_ways_out()
    {
        var said = await SaidAsync(("HF_ENDPOINT", "http://127.0.0.1:9"));

        Assert.All(said, text => Assert.Contains("http://127.0.0.1:9 cannot be reached (Connection refused", text, StringComparison.Ordinal));
        AssertWaysOut(said);
    }

    [Fact]
    public async Task An_empty_cache_that_alone_may_be_asked_is_called_empty_with_the_variable()
    {
        var said = await SaidAsync(("HF_HUB_OFFLINE", "1"));

        Assert.All(said, text => Assert.Matches("The cache .* is empty", text));
        Assert.All(said, text => Assert.Contains("HF_HUB_OFFLINE", text, StringComparison.Ordinal));
        AssertWaysOut(said);
    }

    private static void AssertWaysOut(string[] said)
    {
        Assert.Equal(4, said.Length);
        Assert.All(said[..3], text =>
            Assert.Contains("Missing on this machine: model microsoft/deberta-v3-xsmall, data Babelscape/multinerd.", text, StringComparison.Ordinal));
        Assert.Contains("Missing on this machine: data org/name.", said[3], StringComparison.Ordinal);
        Assert.All(said, text => Assert.Matches("Three ways out: run it again with a network; -p model=FOLDER .*-p profile=demo needs no network", text));
    }

    private async Task<string[]> SaidAsync((string Name, string Value) variable)
    {
        var how = RunnerProcess.HowToStart("run", _runner.WriteNotebook(Cells), "--output", _runner.Output);
        (how.Environment["HF_HOME"], how.Environment[variable.Name]) = (Path.Combine(_runner.Folder, "home"), variable.Value);
        how.Environment.Remove("HF_HUB_CACHE");
        var (exitCode, output, error) = await RunnerProcess.FinishAsync(Process.Start(how)!);
        Assert.True(exitCode == 0, error + output);
        return [.. output.Split('\n').Where(line => line.Contains("| SAID ", StringComparison.Ordinal))];
    }
}
