using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Runner;

/// <summary>
/// Notebooks of a user (tests/Runner/notebooks), one for each kind of cell and magic command: they run as in the editor, or are refused before anything ran.
/// </summary>
[StartsProcesses]
public sealed class UserNotebookTests : IDisposable
{
    private readonly RunnerProcess _runner = new();

    public void Dispose() => _runner.Dispose();

    [Theory]
    [InlineData("csharp", "stream:printed\n|display_data:shown|display_data:displayed|display_data:1|display_data:2|stream:an error "
        + "line\n|execute_result:Pair\n      Name: a<b\n      Value: 3", "execute_result:6")]
    [InlineData("time", "execute_result:42|display_data:Wall time:*ms")]
    [InlineData("values", "", "execute_result:42 40", "display_data:Roses are red", "execute_result:13", "display_data:*from*given*")]
    [InlineData("import", "", "execute_result:42")]
    [InlineData("html", "display_data:<b id=\"mine\">bold</b>", "display_data:<i>slanted</i>|display_data:<script type=\"text/javascript\">*color: green*")]
    [InlineData("javascript", "display_data:<p id=\"target\">before</p>",
        "display_data:<script type=\"text/javascript\">document.getElementById(\"target\").textContent = \"after\";</script>")]
    public async Task A_notebook_shows_what_it_shows_in_the_editor(string name, params string[] expected)
    {
        var (exitCode, error) = await RunAsync(name);

        Assert.True(exitCode == 0, error);
        AssertOutputs(name, expected);
    }

    [Fact]
    public async Task Packages_are_restored_and_named_among_the_versions()
    {
        var (exitCode, error) = await RunAsync("nuget");
        Assert.SkipWhen(error.Contains("NU1301", StringComparison.Ordinal), "no package source can be reached");

        Assert.True(exitCode == 0, error);
        AssertOutputs("nuget", "display_data:Installed Packages\n - Newtonsoft.Json, 13.0.4|execute_result:7");
        Assert.Equal("13.0.4", (string)_runner.Summary["versions"]!["Newtonsoft.Json"]!);
    }

    [Fact]
    public async Task What_cells_ask_for_is_answered_from_the_command_line_or_refused_by_name()
    {
        var (refused, unanswered) = await RunAsync("input", "-p", "city=Ulm");
        Assert.Equal(2, refused);
        Assert.Equal("input.dib, line 8 (cell 2, line 1): asks for 'Your name': answer it by -p \"Your name=…\".\nNothing was run.\n", unanswered);

        var (exitCode, error) = await RunAsync("input", "-p", "city=Ulm", "-p", "Your name=Ada");
        Assert.True(exitCode == 0, error);
        AssertOutputs("input", "execute_result:Ulm", "execute_result:ADA");
    }

    [Fact]
    public async Task Parameters_shows_the_values_that_hold_in_a_profile()
    {
        var notebook = Repository.PathOf("notebooks", "ner_deberta_base_A.dib");
        var (exitCode, output, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("parameters", notebook, "--profile", "full"));

        Assert.True(exitCode == 0, error);
        Assert.Matches(@"\bprecision\b.*TrainingPrecision\.(BFloat16|Float16) on this machine", output);
        Assert.Matches(@"\blearningRate\b.*\b5e-5\b", output);
        Assert.DoesNotContain("profile switch", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_that_answers_a_cell_stands_nowhere()
    {
        const string First = "gold<fish>9", Second = "hedge\"hog";
        var notebook = Repository.PathOf("tests", "Runner", "notebooks", "password.dib");
        var (exitCode, output, error) =
            await RunnerProcess.FinishAsync(RunnerProcess.Start("run", notebook, "--output", _runner.Output, "-p", $"word={First}", "-p", $"Another={Second}"));

        Assert.Equal(1, exitCode);
        Assert.Contains("printed <password>", output, StringComparison.Ordinal);
        Assert.Contains("no <password>", output + error, StringComparison.Ordinal);
        Assert.All(
            Directory.EnumerateFiles(_runner.Output).Select(File.ReadAllText).Append(output).Append(error),
            text => Assert.All(["goldfish", "gold<fish", "gold&lt;fish", "gold\\u003cfish", "hedge\"hog", "hedge&quot;hog", "hedge\\\"hog", "hedge\\u0022hog"],
                secret => Assert.DoesNotContain(secret, text, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n \n")]
    [InlineData("#!csharp\n\n   \n")]
    public async Task A_notebook_without_a_cell_is_refused(string text)
    {
        var notebook = Path.Combine(_runner.Folder, "empty.dib");
        await File.WriteAllTextAsync(notebook, text, TestContext.Current.CancellationToken);

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", notebook, "--output", _runner.Output));

        Assert.Equal(2, exitCode);
        Assert.StartsWith("empty.dib has no cells", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fsharp", "fsharp.dib, line 7 (cell 2, line 1): a cell for 'fsharp': F# cells need")]
    [InlineData("powershell", "powershell.dib, line 7 (cell 2, line 1): a cell for 'pwsh': PowerShell cells need")]
    [InlineData("share", "share.dib, line 7 (cell 2, line 1): '#!share --from csharp count' cannot run in a cell for 'javascript': "
        + "such a cell is put on the page as it stands.")]
    [InlineData("mermaid", "mermaid.dib, line 7 (cell 2, line 1): a cell for 'mermaid': mermaid diagrams are drawn by a script from the network")]
    [InlineData(
        "mistakes",
        "mistakes.dib, line 7 (cell 2, line 1): '#!tiem' is no magic command that runs here. Did you mean '#!time'?",
        "mistakes.dib, line 12 (cell 3, line 1): '#!set --name x' lacks --value.",
        "mistakes.dib, line 13 (cell 3, line 2): '#!share --from fsharp y' takes a value from 'fsharp'",
        "mistakes.dib, line 14 (cell 3, line 3): '#!connect mssql",
        "mistakes.dib, line 15 (cell 3, line 4): '#!import nowhere.dib': ",
        "mistakes.dib, line 19 (cell 4, line 1): #r \"../nowhere/Lib.dll\": there is no ",
        "mistakes.dib, line 20 (cell 4, line 2): Console.ReadLine waits for a keyboard, and a notebook has no keyboard: make it a parameter",
        "mistakes.dib, line 21 (cell 4, line 3): CS1525: ")]
    [InlineData(
        "keyboard",
        "keyboard.dib, line 9 (cell 2, line 1): Console.ReadLine waits for a keyboard, and a notebook has no keyboard: make it a parameter",
        "keyboard.dib, line 10 (cell 2, line 2): Console.In waits",
        "keyboard.dib, line 11 (cell 2, line 3): Console.ReadKey waits",
        "keyboard.dib, line 12 (cell 2, line 4): Console.In waits",
        "keyboard.dib, line 13 (cell 2, line 5): Console.ReadLine waits")]
    public async Task What_cannot_run_is_refused_with_cell_and_line_before_anything_ran(string name, params string[] expected)
    {
        var (exitCode, error) = await RunAsync(name);

        Assert.Equal(2, exitCode);
        Assert.All(expected, fault => Assert.Contains("\n" + fault, "\n" + error, StringComparison.Ordinal));
        Assert.Equal(expected.Length + 1, error.TrimEnd('\n').Split('\n').Length);
        Assert.EndsWith("\nNothing was run.\n", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_runner.Output));
    }

    [Fact]
    public async Task What_only_looks_like_the_keyboard_runs()
    {
        var (exitCode, _, error) = await _runner.RunAsync(
            ["using static System.Console;\nint Read() => 7;\nRead()", "Console.SetIn(new System.IO.StringReader(\"given\"));\nConsole.ReadLine()",
                "new System.IO.StringReader(\"own\").ReadLine()"]);

        Assert.True(exitCode == 0, error);
        Assert.Equal(
            ["execute_result:7", "execute_result:given", "execute_result:own"],
            _runner.Jupyter["cells"]!.AsArray().SelectMany(cell => cell!["outputs"]!.AsArray()).Select(output => JupyterText.Of(output!)));
    }

    [Fact]
    public async Task Empty_cells_as_Jupyter_leaves_them_run()
    {
        var notebook = Path.Combine(_runner.Folder, "n.ipynb");
        var cells = ((string[])["1 + 1", "", "\n  \n"]).Select((source, i) =>
            new JsonObject
            {
                ["cell_type"] = "code",
                ["id"] = $"c{i}",
                ["metadata"] = new JsonObject(),
                ["execution_count"] = null,
                ["outputs"] = new JsonArray(),
                ["source"] = new JsonArray(source)
            });
        var kernel = new JsonObject { ["name"] = ".net-csharp", ["display_name"] = ".NET (C#)", ["language"] = "C#" };
        var document = new JsonObject
        {
            ["nbformat"] = 4,
            ["nbformat_minor"] = 5,
            ["metadata"] = new JsonObject { ["kernelspec"] = kernel },
            ["cells"] = new JsonArray([.. cells])
        };
        await File.WriteAllTextAsync(notebook, document.ToJsonString(), TestContext.Current.CancellationToken);

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("run", notebook, "--output", _runner.Output));

        Assert.True(exitCode == 0, error);
        Assert.Equal(["execute_result:2"],
            _runner.Jupyter["cells"]!.AsArray().SelectMany(cell => cell!["outputs"]!.AsArray()).Select(output => JupyterText.Of(output!)));
    }

    [Fact]
    public async Task An_error_after_a_magic_command_names_the_line_of_the_cell()
    {
        var (exitCode, _, error) = await _runner.RunAsync(["#!time\nvar zero = 0;\n#!set --name other --value 1\n\nConsole.WriteLine(other);\n1 / zero"]);

        Assert.Equal(1, exitCode);
        Assert.Contains("Cell 1, #!time, line 6 (n.dib line 8): System.DivideByZeroException\n", error, StringComparison.Ordinal);
        Assert.Contains("at top level in cell 1, line 6", error, StringComparison.Ordinal);
    }

    private async Task<(int ExitCode, string Error)> RunAsync(string name, params string[] options)
    {
        var notebook = Repository.PathOf("tests", "Runner", "notebooks", name + ".dib");
        var (exitCode, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(["run", notebook, "--output", _runner.Output, .. options]));
        return (exitCode, error);
    }

    /// <summary>Compares the code cells' outputs, one text a cell; <c>*</c> stands for anything.</summary>
    private void AssertOutputs(string name, params string[] expected)
    {
        var notebook = JsonNode.Parse(File.ReadAllText(Path.Combine(_runner.Output, name + ".ipynb")))!;
        var outputs = notebook["cells"]!.AsArray().Where(cell => (string)cell!["cell_type"]! == "code")
            .Select(cell => string.Join('|', cell!["outputs"]!.AsArray().Select(output => JupyterText.Of(output!)))).ToList();

        Assert.Equal(expected.Length, outputs.Count);
        Assert.All(expected.Zip(outputs),
            pair => Assert.Matches("^" + System.Text.RegularExpressions.Regex.Escape(pair.First).Replace("\\*", "(.|\n)*", StringComparison.Ordinal) + "$",
            pair.Second));
    }
}
