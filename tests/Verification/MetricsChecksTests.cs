extern alias runner;

using runner::NotebookRunner.Verification;

namespace NotebookLib.Tests.Verification;

public sealed class MetricsChecksTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("metrics-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_committed_cases_of_seqeval_come_out_to_the_last_character()
    {
        var rows = Check(Repository.PathOf("tests", "goldens", "metrics"));

        Assert.Equal(["scores, default mode", "scores, strict IOB2", "token accuracy", "report text"], rows.Select(row => row.Quantity));
        Assert.All(rows, row => Assert.True(row.IsOk, row.ToString()));
        Assert.Equal("40 cases", rows[0].Note);
    }

    [Fact]
    public void All_of_the_reference_comes_out_with_both_published_reports()
    {
        var rows = Check(Repository.Shared("reference", "metrics"));

        Assert.Equal(6, rows.Count);
        Assert.All(rows, row => Assert.True(row.IsOk, row.ToString()));
        Assert.Equal("32864 sentences, 51247 entities", rows[4].Note);
        Assert.Equal("29504 sentences, 45914 entities", rows[5].Note);
    }

    [Theory]
    [InlineData("\"accuracy\":0.", "\"accuracy\":0.0", "token accuracy")]
    [InlineData("micro avg      0", "micro avg      1", "report text")]
    [InlineData("\"default\":{\"precision\":0.", "\"default\":{\"precision\":0.0", "scores, default mode")]
    [InlineData("\"strict\":{\"precision\":0.", "\"strict\":{\"precision\":0.0", "scores, strict IOB2")]
    public void A_golden_that_says_something_else_is_a_failed_row(string text, string altered, string quantity)
    {
        var golden = File.ReadAllText(Repository.PathOf("tests", "goldens", "metrics", "seqeval-sample.jsonl"));
        Assert.Contains(text, golden, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(_folder, "altered.jsonl"), golden.Replace(text, altered, StringComparison.Ordinal));

        Assert.Equal([quantity], Check(_folder).Where(row => !row.IsOk).Select(row => row.Quantity));
    }

    [Fact]
    public void Damaged_goldens_are_failed_rows_and_the_others_are_still_checked()
    {
        File.WriteAllText(Path.Combine(_folder, "a.jsonl"), "{\"true\": [[");
        File.WriteAllText(Path.Combine(_folder, "b.jsonl"), "{\"true\": []}");
        File.Copy(Repository.PathOf("tests", "goldens", "metrics", "seqeval-sample.jsonl"), Path.Combine(_folder, "c.jsonl"));

        var rows = Check(_folder);

        Assert.Equal([false, false, true, true, true, true], rows.Select(row => row.IsOk));
        Assert.Equal("metrics/a.jsonl", rows[0].Folder);
    }

    private static List<CheckResult> Check(string folder) => [.. MetricsChecks.Golden.Run(folder, new VerifyOptions())];
}
