using System.Text.Json.Nodes;
using NotebookLib.Platform;
using NotebookLib.Tests.Data;
using NotebookLib.Tests.Inference;

namespace NotebookLib.Tests.Runner;

/// <summary><c>annotate</c> as a person types it, on a model folder made for the occasion.</summary>
[StartsProcesses]
public sealed class AnnotateCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public AnnotateCommandTests() => TrainedFolder.Save(Model);

    private string Model => _folder.PathOf("model");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Standard_input_becomes_JSON_lines_on_standard_output_and_nothing_else()
    {
        var how = RunnerProcess.HowToStart("annotate", Model, "-", "-o", "-");
        how.RedirectStandardInput = true;
        using var process = System.Diagnostics.Process.Start(how)!;
        await process.StandardInput.WriteAsync("Marie Curie was in Paris.\n");
        process.StandardInput.Close();
        var (code, output, error) = await RunnerProcess.FinishAsync(process);

        Assert.True(code == 0, error);
        var row = JsonNode.Parse(Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)))!;
        Assert.Equal("Marie Curie was in Paris.", (string)row["text"]!);
        Assert.NotEmpty(row["entities"]!.AsArray());
        Assert.Equal("standard input", (string)row["file"]!);
        Assert.Contains("1 text, ", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bfloat16")]
    [InlineData("int8")]
    public async Task Narrower_products_find_the_same_entities(string precision)
    {
        Assert.SkipWhen(precision == "int8" && DispatcherOperators.Int8Problem is not null, DispatcherOperators.Int8Problem ?? "");
        var input = _folder.Write("a.txt", "Marie Curie was in Warsaw and Paris .\nthe and of a .\n");
        async Task<string[]> Find(params string[] more)
        {
            var path = _folder.PathOf($"{more.Length}.conll");
            var (code, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(["annotate", Model, input, "-o", path, .. more]));
            Assert.True(code == 0, error);
            return await File.ReadAllLinesAsync(path, TestContext.Current.CancellationToken);
        }

        Assert.Equal(await Find(), await Find("--precision", precision));
    }

    [Fact]
    public async Task Without_instructions_for_it_int8_is_refused_with_what_is_missing()
    {
        Assert.SkipWhen(DispatcherOperators.Int8Problem is not null, "This machine refuses it anyway.");
        var how = RunnerProcess.HowToStart("annotate", Model, _folder.Write("a.txt", "x"), "-o", _folder.PathOf("o.jsonl"), "--precision", "int8");
        how.Environment["ONEDNN_MAX_CPU_ISA"] = "AVX2";
        using var process = System.Diagnostics.Process.Start(how)!;
        var (code, output, error) = await RunnerProcess.FinishAsync(process);

        Assert.Equal((2, ""), (code, output));
        Assert.Contains("VNNI", error, StringComparison.Ordinal);
        Assert.Contains("Choose the precision bfloat16 or float32.", error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.PathOf("o.jsonl")));
    }

    [Fact]
    public async Task A_process_that_is_killed_is_gone_on_with_by_the_same_command_and_no_row_is_lost_or_doubled()
    {
        var input = _folder.Write("a.txt", string.Concat(Enumerable.Range(0, 6000).Select(i => $"Marie Curie was in Warsaw and Paris , {i} .\n")));
        string[] command = ["annotate", Model, input, "-o", _folder.PathOf("o.jsonl")];
        using (var process = RunnerProcess.Start(command))
        {
            while (!File.Exists(_folder.PathOf("o.jsonl.part.json")) && !process.HasExited)
            {
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }

            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Assert.False(File.Exists(_folder.PathOf("o.jsonl")));
        var (code, output, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(command));

        Assert.True(code == 0, error);
        Assert.Equal(_folder.PathOf("o.jsonl"), output.Trim());
        Assert.Contains("6,000 texts", error, StringComparison.Ordinal);
        Assert.Contains("of them in this run", error, StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(1, 6000), File.ReadLines(_folder.PathOf("o.jsonl")).Select(line => (int)JsonNode.Parse(line)!["line"]!));
    }

    [Fact]
    public async Task Parts_are_joined_once_all_are_there()
    {
        var input = _folder.Write("a.txt", "Marie Curie was in Warsaw\nthe and of a\nMarie was in Paris\n");
        Task<(int ExitCode, string Output, string Error)> Type(params string[] words) => RunnerProcess.FinishAsync(RunnerProcess.Start(["annotate", .. words]));
        await Type(Model, input, "-o", _folder.PathOf("whole.csv"));
        await Type(Model, input, "-o", _folder.PathOf("o-1.csv"), "--shard", "1/2");
        var early = await Type("--merge", _folder.PathOf("o.csv"));
        await Type(Model, input, "-o", _folder.PathOf("o-2.csv"), "--shard", "2/2");
        var beside = await Type("--merge", _folder.PathOf("o.csv"));
        var again = await Type("--merge", "-o", _folder.PathOf("o.csv"), _folder.PathOf("o-2.csv"), _folder.PathOf("o-1.csv"));
        var forced = await Type("--merge", _folder.PathOf("o.csv"), _folder.PathOf("o-2.csv"), _folder.PathOf("o-1.csv"), "--force");

        Assert.Equal((2, 0, 2, 0), (early.ExitCode, beside.ExitCode, again.ExitCode, forced.ExitCode));
        Assert.Contains("Missing: 2/2. A part is made by annotate with --shard I/N.", early.Error, StringComparison.Ordinal);
        Assert.Contains($"Nothing was written to {_folder.PathOf("o.csv")}.", early.Error, StringComparison.Ordinal);
        Assert.Equal(_folder.PathOf("o.csv"), beside.Output.Trim());
        Assert.Contains("2 parts, 3 texts, ", beside.Error, StringComparison.Ordinal);
        Assert.Contains("replace it with --force.", again.Error, StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllBytesAsync(_folder.PathOf("whole.csv"), TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(_folder.PathOf("o.csv"), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("", "Name a model, files of texts, and the file to write: annotate MODEL INPUT… -o OUTPUT.")]
    [InlineData("model -o o.jsonl", "Name files of texts for model")]
    [InlineData("model a.txt", "Name the file to write: -o OUTPUT")]
    [InlineData("--merge", "--merge: name the file to write")]
    public async Task What_is_missing_from_the_command_is_said(string words, string expected)
    {
        var (code, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(["annotate", .. words.Split(' ', StringSplitOptions.RemoveEmptyEntries)]));

        Assert.Equal(2, code);
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exit_codes_tell_bad_input_from_wrong_rows()
    {
        var (code, output, error) = await RunnerProcess.FinishAsync(
            RunnerProcess.Start("annotate", _folder.PathOf("none"), _folder.Write("a.txt", "x"), "-o", _folder.PathOf("o.jsonl")));
        Assert.Equal((2, ""), (code, output));
        Assert.Contains("no such folder", error, StringComparison.Ordinal);

        (code, _, error) = await RunnerProcess.FinishAsync(
            RunnerProcess.Start("annotate", Model, _folder.PathOf("none.txt"), "-o", _folder.PathOf("o.nothing"), "--threshold", "0.5"));
        Assert.Equal(2, code);
        Assert.Contains("or a format by name with --format.", error, StringComparison.Ordinal);
        Assert.Contains("none.txt: no such file or folder.", error, StringComparison.Ordinal);

        _folder.Write("a.jsonl", "{\"text\": \"Marie\"}\n{\"text\": 7}\n");
        (code, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("annotate", Model, _folder.PathOf("a.jsonl"), "-o", _folder.PathOf("o.jsonl")));
        Assert.Equal(1, code);
        Assert.Contains("a.jsonl:2: text: expected a text or a list of words, found a number", error, StringComparison.Ordinal);
        Assert.Contains("--skip-errors", error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.PathOf("o.jsonl")));
        (code, _, error) = await RunnerProcess.FinishAsync(
            RunnerProcess.Start("annotate", Model, _folder.PathOf("a.jsonl"), "-o", _folder.PathOf("o.jsonl"), "--skip-errors"));
        Assert.True(code == 0, error);
        Assert.Contains("1 wrong row left out", error, StringComparison.Ordinal);
        Assert.Single(File.ReadAllLines(_folder.PathOf("o.jsonl")));

        // What stands behind the fault is lost: that is no good end, though the rest is written.
        _folder.Write("a.json", "[{\"text\": \"Marie\"}, {\"text\": \"Par");
        (code, _, error) = await RunnerProcess.FinishAsync(
            RunnerProcess.Start("annotate", Model, _folder.PathOf("a.json"), "-o", _folder.PathOf("cut.jsonl"), "--skip-errors"));
        Assert.Equal(1, code);
        Assert.Contains("What stands behind it in this file cannot be read.", error, StringComparison.Ordinal);
        Assert.Contains("1 file was read in part only", error, StringComparison.Ordinal);
        Assert.Single(File.ReadAllLines(_folder.PathOf("cut.jsonl")));
    }
}
