extern alias runner;

using NotebookLib.Tests.Tokenization;
using runner::NotebookRunner.Verification;

namespace NotebookLib.Tests.Verification;

/// <summary>What verify says about folders that the developers never saw: other models, fewer files, wrong goldens, damaged files.</summary>
public sealed class ExactChecksTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory();

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void A_golden_that_disagrees_is_counted_and_its_line_named()
    {
        Tokenizer("words.jsonl", """{"words": ["the"], "input_ids": [1, 261, 2], "word_ids": [null, 0, null]}""",
            """{"words": ["the"], "input_ids": [1, 4, 2], "word_ids": [null, 0, null]}""");

        var rows = Verifier.Run(_root.FullName, new()).ToList();

        Assert.Equal([("tokenizer/words.jsonl", "ids", 1d, false, "2 cases, first in line 2"), ("tokenizer/words.jsonl", "word ids", 0d, true, "2 cases")],
            rows.Select(row => (row.Folder, row.Quantity, row.LargestDifference, row.IsOk, row.Note)));
    }

    [Fact]
    public void A_broken_line_fails_its_file_and_the_others_are_still_checked()
    {
        Tokenizer("a.jsonl", """{"text": "the", "input_ids": [1, 261, 2]}""", """{"text": "the", "input_""");
        Tokenizer("b.jsonl", """{"text": "the", "input_ids": [1, 261, 2], "offsets": [[0, 0], [0, 3], [0, 0]]}""");

        var rows = Verifier.Run(_root.FullName, new()).ToList();

        Assert.Equal([("ids", true), ("readable cases", false), ("ids", true), ("offsets", true)], rows.Select(row => (row.Quantity, row.IsOk)));
        Assert.Contains("a.jsonl, line 2", rows[1].Note);
    }

    [Theory]
    [InlineData("""{"text": "the"}""")]
    [InlineData("""{"words": 5, "input_ids": [1]}""")]
    [InlineData("""{"text": "the", "input_ids": ["x"]}""")]
    [InlineData("""{"text": "the", "input_ids": [1, 261, 2], "offsets": [[0]]}""")]
    [InlineData("""{"text": null, "input_ids": [1]}""")]
    public void Cases_without_the_fields_are_failed_rows(string line)
    {
        Tokenizer("a.jsonl", line);

        Assert.Contains(Verifier.Run(_root.FullName, new()), row => !row.IsOk && row.Quantity == "readable cases");
    }

    [Fact]
    public void A_damaged_gzip_file_is_a_failed_row()
    {
        Tokenizer("a.jsonl.gz", "not gzip");

        Assert.Contains(Verifier.Run(_root.FullName, new()), row => !row.IsOk && row.Note.Contains("InvalidDataException"));
    }

    [Fact]
    public void A_folder_without_model_or_without_cases_fails()
    {
        var folder = _root.CreateSubdirectory("tokenizer");
        Assert.False(Assert.Single(Verifier.Run(_root.FullName, new())).IsOk);

        File.Copy(SpmFile.TinyPath, Path.Combine(folder.FullName, "spm.model"));
        var row = Assert.Single(Verifier.Run(folder.FullName, new()));
        Assert.Contains("no *.jsonl", row.Note);
        Assert.False(row.IsOk);
    }

    [Fact]
    public void Alignment_goldens_may_bring_their_own_model()
    {
        var folder = _root.CreateSubdirectory("alignment");
        File.Copy(SpmFile.TinyPath, Path.Combine(folder.FullName, "spm.model"));
        File.WriteAllText(
            Path.Combine(folder.FullName, "cases.jsonl"),
            """{"tokens": ["the", "", "the"], "ner_tags": [1, 2, 2], "input_ids": [1, 261, 261, 2], "word_ids": [null, 0, 2, null], "labels": [-100, 1, 2, -100], "token_predictions": [2, 4], "word_tags": [2, 3]}""");

        var rows = Verifier.Run(_root.FullName, new()).ToList();

        Assert.Equal(["labels of pieces", "tags of words", "ids", "word ids"], rows.Select(row => row.Quantity));
        Assert.All(rows, row => Assert.True(row.IsOk, row.ToString()));
    }

    private void Tokenizer(string name, params string[] lines)
    {
        var folder = _root.CreateSubdirectory("tokenizer").FullName;
        File.Copy(SpmFile.TinyPath, Path.Combine(folder, "spm.model"), overwrite: true);
        File.WriteAllLines(Path.Combine(folder, name), lines);
    }
}
