using CsCheck;
using NotebookLib.Bench.Inputs;
using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

public sealed class RoundTripTests : IDisposable
{
    private const int Iterations = 60;
    private readonly TemporaryFolder _folder = new();

    private static ReaderOptions AsListed { get; } = new() { Rows = RowListing.AsListed, Scheme = TagScheme.Iob2 };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Json_lines_read_as_they_were_written() => SentenceGen.Any.Sample(
        sentences =>
        {
            var path = _folder.PathOf("a.jsonl");
            SentenceWriter.WriteJsonLines(path, sentences, LabelSet.SystemB);
            SentenceGen.Equal(sentences, [.. SentenceReader.Open(path, LabelSet.SystemB, AsListed)]);
        },
        iter: Iterations,
        threads: 1);

    [Fact]
    public void Conll_reads_as_it_was_written() => SentenceGen.Conll.Sample(
        sentences =>
        {
            var path = _folder.PathOf("a.conll");
            SentenceWriter.WriteConll(path, sentences, LabelSet.SystemB);
            SentenceGen.Equal(sentences, [.. SentenceReader.Open(path, LabelSet.SystemB, AsListed)]);
        },
        iter: Iterations,
        threads: 1);

    [Theory]
    [InlineData(10_000)]
    [InlineData(3)]
    [InlineData(1)]
    public void Parquet_reads_as_it_was_written_in_row_groups_of_any_size(int rowGroupSize) => SentenceGen.Any.Sample(
        sentences =>
        {
            var path = _folder.PathOf("a.parquet");
            ParquetSentences.Write(path, sentences, LabelSet.SystemB, rowGroupSize);
            SentenceGen.Equal(sentences, [.. SentenceReader.Open(path, LabelSet.SystemB, AsListed with { Language = "en" })]);
        },
        iter: Iterations,
        threads: 1);

    [Fact]
    public void What_a_format_cannot_hold_is_refused_and_the_old_file_stays()
    {
        var path = _folder.Write("a.conll", "Rome\tB-LOC\n");

        var error = Assert.Throws<ArgumentException>(() => SentenceWriter.WriteConll(path, [new(["a\tb"], [0])], LabelSet.SystemA));

        Assert.Contains("CoNLL cannot hold it", error.Message, StringComparison.Ordinal);
        Assert.Equal("Rome\tB-LOC\n", File.ReadAllText(path));
    }

    [Fact]
    public void Sentences_that_do_not_fit_the_label_set_are_not_written()
    {
        var path = _folder.PathOf("a.parquet");

        Assert.Contains("tag id 11 is out of range", Assert.Throws<ArgumentException>(
            () => ParquetSentences.Write(path, [new(["a"], [11])], LabelSet.SystemB)).Message, StringComparison.Ordinal);
        Assert.Contains("1 words but 2 tags", Assert.Throws<ArgumentException>(
            () => SentenceWriter.WriteJsonLines(path, [new(["a"], [1, 2])], LabelSet.SystemB)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(path));
    }
}
