extern alias runner;

using runner::NotebookRunner.Documents;
using runner::NotebookRunner.Parameters;

namespace NotebookLib.Tests.Notebooks;

/// <summary>
/// Notebooks in the released tool that VS Code's Polyglot Notebooks runs. The three of the project are trained there when NOTEBOOKS_IN_TOOL is set (some
/// minutes each); their set-up, repeated and out-of-order cells and the stop button are looked at always.
/// </summary>
[StartsProcesses]
public sealed class ReleasedToolTests
{
    [Fact]
    public async Task A_users_cells_show_the_same_as_in_the_runner()
    {
        await using var tool = await ReleasedTool.StartAsync(Repository.PathOf("tests", "Runner", "notebooks"));

        var values = await RunAsync(tool, "values.dib");
        var csharp = await RunAsync(tool, "csharp.dib");

        Assert.Contains("ReturnValueProduced: 42 40", values);
        Assert.Contains(values, shown => shown.StartsWith("ReturnValueProduced:", StringComparison.Ordinal) && shown.Contains("13", StringComparison.Ordinal));
        Assert.Contains("StandardOutputValueProduced: printed\n", csharp);
        Assert.Equal(2, csharp.Count(shown => shown is "DisplayedValueProduced: shown" or "DisplayedValueProduced: displayed"));
        Assert.Contains(csharp, shown => shown.StartsWith("DisplayedValueUpdated:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cells_of_a_notebook_can_be_repeated_and_the_stop_button_reaches_long_work_that_can_go_on()
    {
        await using var tool = await ReleasedTool.StartAsync(Repository.PathOf("notebooks"));
        var cells = NotebookFile.Read(Repository.PathOf("notebooks", "ner_deberta_base_A.dib")).Cells.Where(cell => cell.IsCSharp).ToList();

        var early = await tool.RunAsync("new NotebookLib.Display.SetupView()");
        var setup = await tool.RunAsync(cells[0].Source);
        var again = await tool.RunAsync(cells[0].Source);
        var unmade = await tool.RunAsync("trainer.Summary");
        var failing = await tool.RunAsync("string Fail() => throw new InvalidOperationException(\"no luck\");\nvar wanted = Fail();");
        var needing = await tool.RunAsync("wanted.Length");
        var token = await tool.SendAsync("""
            var stopped = NotebookLib.Platform.Interruption.Token;
            Console.WriteLine("at work");
            while (!stopped.IsCancellationRequested) { await Task.Delay(20); }
            AppContext.SetData("left", "a checkpoint");
            """);
        await tool.UntilAsync("at work");
        await tool.CancelAsync();
        var cancelled = await tool.EndOfAsync(token);
        // The next cell begins at once, whether or not the stopped one has come to its end.
        var after = await tool.RunAsync("while (AppContext.GetData(\"left\") is null) { await Task.Delay(20); }\n(string)AppContext.GetData(\"left\")");

        Assert.StartsWith("CommandFailed:", early[^1], StringComparison.Ordinal);
        Assert.All([setup, again], shown => Assert.Equal("CommandSucceeded: ", shown[^1]));
        Assert.StartsWith("CommandFailed: 'trainer' has no value yet: the cell that makes it, under \"Fine-tuning\", was not run. Run that cell first, "
            + "then this one. It says: var trainer = ", unmade[^1], StringComparison.Ordinal);
        Assert.StartsWith("CommandFailed: System.InvalidOperationException: no luck", failing[^1], StringComparison.Ordinal);
        Assert.StartsWith("CommandFailed: 'wanted' has no value: the cell that makes it failed or was stopped.", needing[^1], StringComparison.Ordinal);
        Assert.Contains(setup, shown => shown.Contains("NotebookLib", StringComparison.Ordinal));
        Assert.StartsWith("CommandFailed: Command cancelled", cancelled[^1], StringComparison.Ordinal);
        Assert.Equal(["ReturnValueProduced: a checkpoint", "CommandSucceeded: "], after);
    }

    [Theory]
    [InlineData("ner_deberta_base_A", "0.8814")]
    [InlineData("ner_deberta_base_B", "0.9022")]
    [InlineData("ner_deberta_large_lora_A", "0.7685")]
    public async Task A_notebook_of_the_project_runs_to_its_end_and_its_stopped_training_goes_on(string name, string f1)
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("NOTEBOOKS_IN_TOOL") is null, "set NOTEBOOKS_IN_TOOL=1 to train the notebooks in the released tool");
        await using var tool = await ReleasedTool.StartAsync(Repository.PathOf("notebooks"));
        var output = Directory.CreateTempSubdirectory("in-tool-");
        var cells = CellsOf(Repository.PathOf("notebooks", name + ".dib"), new() { ["output"] = Path.Combine(output.FullName, "run") });
        var training = cells.FindIndex(cell => cell.Code.Contains("trainer?.Train(", StringComparison.Ordinal));

        var before = await RunAsync(tool, cells[..training]);
        var stopped = await StopAsync(tool, cells[training].Code);
        var after = await RunAsync(tool, cells[training..]);
        var score = await tool.RunAsync("FormattableString.Invariant($\"{words.Scores.Micro.F1:F4}\")");

        Assert.DoesNotContain(before.Concat(after), text => text.StartsWith("CommandFailed", StringComparison.Ordinal));
        Assert.StartsWith("CommandFailed: Command cancelled", stopped[^1], StringComparison.Ordinal);
        Assert.Contains(after, text => text.Contains("The run goes on from checkpoint-", StringComparison.Ordinal));
        Assert.Contains(after, text => text.StartsWith("DisplayedValueUpdated", StringComparison.Ordinal));
        Assert.Contains($"ReturnValueProduced: {f1}", score);
        output.Delete(recursive: true);
    }

    // As a reader does who presses the stop button some seconds into the training.
    private static async Task<List<string>> StopAsync(ReleasedTool tool, string cell)
    {
        var updates = 0;
        Task? cancel = null;
        var token = await tool.SendAsync(cell);
        var shown = await tool.EndOfAsync(token,
            text => cancel ??= text.StartsWith("DisplayedValueUpdated", StringComparison.Ordinal) && ++updates == 8 ? tool.CancelAsync() : null);
        await (cancel ?? throw new InvalidOperationException("The cell ended before eight updates of its panel were shown."));
        return shown;
    }

    private static Task<List<string>> RunAsync(ReleasedTool tool, string notebook) =>
        RunAsync(tool, CellsOf(Repository.PathOf("tests", "Runner", "notebooks", notebook), []));

    private static async Task<List<string>> RunAsync(ReleasedTool tool, IEnumerable<(string Code, string Kernel)> cells)
    {
        var shown = new List<string>();
        foreach (var (code, kernel) in cells)
        {
            shown.AddRange(await tool.RunAsync(code, kernel));
        }

        return shown;
    }

    private static List<(string Code, string Kernel)> CellsOf(string notebook, Dictionary<string, string> values)
    {
        var cells = NotebookFile.Read(notebook).Cells;
        var parameters = ParameterCell.Find(cells);
        return [.. cells.Select((cell, at) => (cell, at)).Where(pair => !pair.cell.IsMarkdown)
            .Select(pair => (pair.at == parameters?.Index ? parameters.With(values) : pair.cell.Source, pair.cell.Kernel))];
    }
}
