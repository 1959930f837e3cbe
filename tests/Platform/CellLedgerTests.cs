using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Commands;
using Microsoft.DotNet.Interactive.CSharp;
using Microsoft.DotNet.Interactive.Events;
using NotebookLib.Tests.Data;

namespace NotebookLib.Tests.Platform;

/// <summary>The genuine C# kernel with the library loaded, as an editor has it: cells in any order.</summary>
[Collection(nameof(CellLedgerTests))]
[CollectionDefinition(nameof(CellLedgerTests), DisableParallelization = true)]
public sealed class CellLedgerTests : IDisposable
{
    private const string Notebook = """
        #!meta

        {"kernelInfo":{"defaultKernelName":"csharp","items":[{"name":"csharp"}]}}

        #!markdown

        # Title

        ## The plan

        #!csharp

        var settings = 3;
        string plan = settings
            .ToString();

        #!csharp

        int Twice(int value) => 2 * value;
        """;

    private readonly string _before = Environment.CurrentDirectory;
    private readonly TemporaryFolder _folder = new();
    private readonly CompositeKernel _kernels = new() { DefaultKernelName = "csharp" };

    public CellLedgerTests()
    {
        File.WriteAllText(_folder.PathOf("a.dib"), Notebook);
        Environment.CurrentDirectory = _folder.Root;
        _kernels.Add(new CSharpKernel("csharp").UseKernelHelpers().UseValueSharing());
    }

    public void Dispose()
    {
        Environment.CurrentDirectory = _before;
        _kernels.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_cell_that_needs_what_a_cell_of_the_file_makes_says_which_to_run()
    {
        await AttachAsync();

        Assert.Equal("'plan' has no value yet: the cell that makes it, under \"The plan\", was not run. Run that cell first, then this one. It says: "
            + "string plan = settings", await RunAsync("plan.Length"));
        Assert.Equal("'Twice' has no value yet: the cell that makes it, under \"The plan\", was not run. Run that cell first, then this one. It says: "
            + "int Twice(int value) => 2 * value;", await RunAsync("Twice(2)"));
        Assert.Null(await RunAsync("var settings = 4;\nstring plan = settings.ToString();"));
        Assert.Null(await RunAsync("plan.Length"));
    }

    [Fact]
    public async Task A_cell_that_needs_what_a_failed_cell_makes_says_so_until_that_cell_ends_well()
    {
        await AttachAsync();

        Assert.StartsWith("System.IO.IOException: no luck",
            await RunAsync("string Fail() => throw new System.IO.IOException(\"no luck\");\nvar early = \"made\";\nvar late = Fail();"),
            StringComparison.Ordinal);
        Assert.Equal("'late' has no value: the cell that makes it failed or was stopped. Run that cell first, then this one. It says: var late = Fail();",
            await RunAsync("early + $\"{late} of all\""));
        Assert.Null(await RunAsync("early + \"late\""));
        Assert.Null(await RunAsync("late == null ? 1 : 2"));
        Assert.Null(await RunAsync("new[] { 1 }.Select(late => late + 1).Sum()"));
        Assert.Null(await RunAsync("var late = \"now\";"));
        Assert.Null(await RunAsync("late.Length"));
    }

    [Fact]
    public async Task A_null_that_a_cell_means_is_no_failure_and_an_assigned_name_is_made()
    {
        await AttachAsync();

        Assert.Null(await RunAsync("string none = null;"));
        Assert.Null(await RunAsync("none?.Length"));
        Assert.NotNull(await RunAsync("string given = null;\nthrow new Exception(\"after it\");"));
        Assert.NotNull(await RunAsync("given.Length"));
        Assert.Null(await RunAsync("given = \"by hand\";"));
        Assert.Null(await RunAsync("given.Length"));
    }

    [Fact]
    public async Task What_no_cell_makes_is_the_compilers_matter()
    {
        await AttachAsync();

        Assert.Contains("CS0103: The name 'nowhere' does not exist", await RunAsync("nowhere.Length"), StringComparison.Ordinal);
        Assert.Contains("CS1061", await RunAsync("\"\".plan"), StringComparison.Ordinal);
        Assert.Null(await RunAsync("new { plan = 1 }.plan"));
    }

    [Fact]
    public async Task A_cell_that_was_stopped_has_made_nothing_and_the_next_one_waits_for_its_end()
    {
        await AttachAsync();
        using var button = new CancellationTokenSource();
        var token = "NotebookLib.Platform.Interruption.Token";
        var stopped = _kernels.SendAsync(new SubmitCode($"var end = {token};\nAppContext.SetData(\"at work\", "
            + "true);\nend.WaitHandle.WaitOne();\nSystem.Threading.Thread.Sleep(300);\nend.ThrowIfCancellationRequested();\nvar result = \"made\";"),
            button.Token);
        while (AppContext.GetData("at work") is null)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        await button.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stopped);

        Assert.Null(await RunAsync("var next = \"made meanwhile\";"));
        Assert.Null(await RunAsync("next.Length"));
        Assert.Equal("'result' has no value: the cell that makes it failed or was stopped. Run that cell first, then this one. It says: var result = \"made\";",
            await RunAsync("result.Length"));
    }

    private async Task AttachAsync()
    {
        Assert.Null(await RunAsync($"#r \"{typeof(NotebookLib.Display.SetupView).Assembly.Location}\"\n1"));
        Assert.Null(await RunAsync("new NotebookLib.Display.SetupView().ToText()"));
    }

    /// <summary>Runs a cell.</summary>
    /// <returns>Why it failed; null when it did not.</returns>
    private async Task<string?> RunAsync(string code)
    {
        var result = await _kernels.SendAsync(new SubmitCode(code), TestContext.Current.CancellationToken);
        return result.Events.OfType<CommandFailed>().FirstOrDefault()?.Message;
    }
}
