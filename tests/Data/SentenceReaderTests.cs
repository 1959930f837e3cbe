using System.IO.Compression;
using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

public sealed class SentenceReaderTests : IDisposable
{
    private const string Rome = """{"tokens": ["Rome"], "ner_tags": [5], "lang": "en"}""";
    private const string Rom = """{"tokens": ["Rom"], "ner_tags": [5], "lang": "de"}""";
    private const string Flu = """{"tokens": ["Flu"], "ner_tags": [13], "lang": "en"}""";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_sentence_is_given_once_by_default_as_listed_when_asked_and_twice_as_published()
    {
        var path = _folder.Write("a.jsonl", $"{Rome}\n{Flu}\n{Rome}\n");

        string Words(RowListing rows) =>
            string.Join(' ', SentenceReader.Open(path, LabelSet.SystemA, new() { Rows = rows }).SelectMany(sentence => sentence.Words));

        Assert.Equal("Rome Flu", Words(RowListing.Distinct));
        Assert.Equal("Rome Flu Rome", Words(RowListing.AsListed));
        Assert.Equal("Rome Flu Rome Rome Flu Rome", Words(RowListing.Published));
    }

    [Fact]
    public void Words_alone_do_not_make_a_repeat_and_neither_does_their_text_run_together()
    {
        var path = _folder.Write("a.jsonl", """
            {"tokens": ["ab", "c"], "ner_tags": [0, 0]}
            {"tokens": ["a", "bc"], "ner_tags": [0, 0]}
            {"tokens": ["ab", "c"], "ner_tags": [0, 1]}
            """);

        Assert.Equal(3, SentenceReader.Open(path, LabelSet.SystemA).Count());
    }

    [Theory]
    [InlineData("Rome,B-LOC\nrose,O\n")]
    [InlineData("7,Rome,B-LOC\n7,rose,O\n")]
    [InlineData("word,tag\nRome,B-LOC\nrose,O\n")]
    public void Rows_are_not_joined_to_one_sentence_where_nothing_tells_sentences_apart(string text) => Assert.Contains(
        "nothing tells where a sentence ends",
        Assert.Throws<DataFormatException>(() => SentenceReader.Open(_folder.Write("a.csv", text), LabelSet.SystemA).Count()).Message,
        StringComparison.Ordinal);

    [Fact]
    public void The_summary_says_what_was_left_out()
    {
        var source = SentenceReader.Open(_folder.Write("a.jsonl", $"{Rome}\n{Rom}\n{Rome}\n{Flu}\n"), LabelSet.SystemA, new() { Language = "en" });

        Assert.Null(source.Summary);
        Assert.Equal(2, source.Count());
        Assert.Equal(new ReadSummary(4, 2, 1, 1), source.Summary);
    }

    [Fact]
    public void System_A_is_read_as_system_B_by_the_original_mapping()
    {
        var path = _folder.Write("a.jsonl",
            $$"""{"tokens": [{{string.Join(", ", Enumerable.Range(0, 31).Select(i => $"\"w{i}\""))}}], "ner_tags": [{{string.Join(", ", Enumerable.Range(0, 31))}}]}""");

        var tags = SentenceReader.Open(path, LabelSet.SystemA, new() { Target = LabelSet.SystemB }).Single().Tags;

        // 0-8 stay, 13 → 9, 14 → 10, all others → 0.
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 9, 10, .. Enumerable.Repeat(0, 16)], tags);
    }

    [Fact]
    public void A_row_without_a_language_is_wrong_when_one_is_wanted()
    {
        var path = _folder.Write("a.jsonl", Rome + "\n{\"tokens\": [\"a\"], \"ner_tags\": [0]}\n");

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA, new() { Language = "en" }).ToList());

        Assert.Contains("a.jsonl:2: missing field lang", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, SentenceReader.Open(path, LabelSet.SystemA).Count());
    }

    [Fact]
    public void All_wrong_lines_are_counted_and_the_first_are_listed()
    {
        var path = _folder.Write("a.jsonl", string.Concat(Enumerable.Repeat($"{Rome}\nbroken\n", 25)));
        var given = 0;

        var error = Assert.Throws<DataFormatException>(() =>
        {
            foreach (var _ in SentenceReader.Open(path, LabelSet.SystemA, new() { Rows = RowListing.AsListed }))
            {
                given++;
            }
        });

        Assert.Equal(25, error.FaultCount);
        Assert.Equal(Enumerable.Range(1, 20).Select(i => 2L * i), error.Faults.Select(fault => fault.Line));
        Assert.StartsWith("25 faults:\n  ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("\n  … and 5 more", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, given);
    }

    [Theory]
    [InlineData("a.jsonl")]
    [InlineData("a.conll")]
    [InlineData("a.jsonl.gz")]
    public void An_empty_file_is_named(string name) =>
        Assert.Contains($"{name}: holds no sentence", Assert.Throws<DataFormatException>(
            () => SentenceReader.Open(_folder.Write(name, "\n\n"), LabelSet.SystemA).ToList()).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_without_the_wanted_language_says_which_it_has()
    {
        var error = Assert.Throws<DataFormatException>(() =>
            SentenceReader.Open(_folder.Write("a.jsonl", Rom), LabelSet.SystemA, new() { Language = "en" }).ToList());

        Assert.Contains("none of its 1 rows is in language 'en'; found de", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_files_folders_and_unknown_extensions_are_refused_at_once()
    {
        Assert.Contains("no such data file",
            Assert.Throws<FileNotFoundException>(() => SentenceReader.Open(_folder.PathOf("a.jsonl"), LabelSet.SystemA)).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<FileNotFoundException>(() => SentenceReader.Open(_folder.Root, LabelSet.SystemA)).Message,
            StringComparison.Ordinal);
        var error = Assert.Throws<ArgumentException>(() => SentenceReader.Open(_folder.Write("a.xlsx", "x"), LabelSet.SystemA));
        Assert.Contains("is a spreadsheet; save it as CSV", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_out_of_range_are_all_named()
    {
        var error = Assert.Throws<ArgumentException>(() => new ReaderOptions { FaultLimit = 0, MaxLineBytes = 0 }.Validate());

        Assert.Contains("FaultLimit is 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("MaxLineBytes is 0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Gzip_is_recognised_by_its_bytes_whatever_the_name()
    {
        Assert.Single(SentenceReader.Open(_folder.WriteGzip("a.jsonl", Rome), LabelSet.SystemA));
        Assert.Single(SentenceReader.Open(_folder.Write("b.jsonl.gz", Rome), LabelSet.SystemA));
        Assert.Single(SentenceReader.Open(_folder.Write("c.jsonl", "\uFEFF" + Rome), LabelSet.SystemA));
    }

    [Fact]
    public void Damaged_gzip_is_named_with_the_last_good_line()
    {
        var whole = File.ReadAllBytes(
            _folder.WriteGzip("a.jsonl.gz",
            string.Concat(Enumerable.Range(0, 5000).Select(i => Rome.Replace("Rome", $"R{i * 7919 % 5000}", StringComparison.Ordinal) + "\n"))));

        var error = Assert.Throws<DataFormatException>(() =>
            SentenceReader.Open(_folder.Write("cut.jsonl.gz", whole[..(whole.Length / 2)]), LabelSet.SystemA).ToList());

        Assert.Contains("the gzip data is damaged or was cut off", error.Message, StringComparison.Ordinal);
        Assert.True(error.Faults[^1].Line > 100, error.Message);
    }

    [Theory]
    [InlineData("a.jsonl")]
    [InlineData("a.conll")]
    public void A_line_longer_than_allowed_is_skipped_and_named(string name)
    {
        var good = name == "a.jsonl" ? Rome : "Rome\tB-LOC";
        var path = _folder.Write(name, good + "\n" + new string('x', 300_000) + "\n" + good + "\n" + new string('y', 150_000));

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA, new() { MaxLineBytes = 1000 }).ToList());

        Assert.Equal([2L, 4L], error.Faults.Select(fault => fault.Line));
        Assert.All(error.Faults, fault => Assert.Contains("longer than 1000 bytes", fault.Problem, StringComparison.Ordinal));
    }

    [Fact]
    public void A_gzip_bomb_is_read_in_bounded_memory()
    {
        // 256 MB of one letter, without a line end, in about 250 kB.
        var path = _folder.PathOf("bomb.jsonl.gz");
        using (var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            var block = new byte[1 << 20];
            Array.Fill(block, (byte)'x');
            for (var i = 0; i < 256; i++)
            {
                gzip.Write(block);
            }
        }

        var before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA, new() { MaxLineBytes = 1 << 20 }).ToList());

        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 48 << 20, "memory grows with the line limit, not with the line");
    }

    [Fact]
    public void Reading_streams_so_that_the_first_sentence_comes_before_the_last_line_is_read()
    {
        var path = _folder.Write("a.jsonl", Rome + "\nbroken\n");

        Assert.Equal("Rome", SentenceReader.Open(path, LabelSet.SystemA).First().Words[0]);
    }
}
