using System.Text.Json;
using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

/// <summary>Files as people and tools leave them (tests/goldens/data): each read as it should be, or refused with a word that names the cause.</summary>
public sealed class CasesTests
{
    private static readonly LabelSet Types = new(["PER", "ORG", "LOC", "PRODUCT"]);

    // As a notebook without types reads: numbers mean nothing unless something names them.
    private static readonly ReaderOptions Unnamed = new() { Rows = RowListing.AsListed, NumbersAreLabels = false };
    private static readonly ReaderOptions Named = Unnamed with { NumbersAreLabels = true };

    public static TheoryData<string, string> Tables() =>
        new(File.ReadLines(Folder("tables", "list.tsv")).Select(line => line.Split('\t')).Select(cells => (cells[0], cells[1])));

    [Theory]
    [MemberData(nameof(Tables))]
    public void A_table_is_read_as_its_writer_meant_it(string name, string right)
    {
        var path = Folder("tables", name);
        var expected = Expected();
        if (right == "read")
        {
            // Python keeps an empty sentence, and so do we.
            Assert.Equal(expected, Read(path, Unnamed).Where(sentence => sentence.Length > 0));
        }
        else if (right == "types")
        {
            Assert.Contains("numbers (0 to 8) that nothing names", Refusal(path).Message, StringComparison.Ordinal);
            Assert.Equal(expected, Read(path, Named));
        }
        else if (name == "pyarrow-null-row.parquet")
        {
            Assert.Contains("parquet:6: column tokens is null", Refusal(path).Message, StringComparison.Ordinal);
        }
        else if (right == "says")
        {
            Assert.Equal(expected, Read(path, Unnamed));
        }
        else
        {
            Assert.Equal(1, Refusal(path).FaultCount);
        }
    }

    [Theory]
    [InlineData("pyarrow-null-tag.parquet", "parquet:8: column ner_tags is null or holds a null")]
    [InlineData("pyarrow-unequal.parquet", "parquet:4: 10 words but 9 tags")]
    [InlineData("pyarrow-no-rows.parquet", "holds no sentence")]
    [InlineData("truncated.parquet", "it was cut off, or is no Parquet file")]
    [InlineData("not.parquet", "its footer claims 544499061 bytes, the file has 28")]
    [InlineData("encrypted.parquet", "it is encrypted; write it without encryption")]
    public void What_a_table_lacks_is_named(string name, string problem) =>
        Assert.Contains(problem, Refusal(Folder("tables", name)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("array.json", "JSON")]
    [InlineData("bioes.conll", "BIOES, converted to IOB2")]
    [InlineData("comments.conll", "CoNLL")]
    [InlineData("crlf_bom.jsonl", "UTF-8 with a byte-order mark")]
    [InlineData("data.iob2", "IOB2")]
    [InlineData("doccano.jsonl", "text text, spans of characters label")]
    [InlineData("docstart.conll", "word column 0, tag column 3 of 4")]
    [InlineData("iob1.conll", "IOB1, converted to IOB2")]
    [InlineData("kaggle.csv", "word column 1 'Word', tag column 3 'Tag', sentence column 0 'Sentence #' of 4")]
    [InlineData("labelstudio.json", "Label Studio's tasks")]
    [InlineData("lower.conll", "types matched but for case: per is PER")]
    [InlineData("misc_ner.conllu", "tag column 9 (NER=)")]
    [InlineData("spacy_v2.json", "BILOU, converted to IOB2")]
    [InlineData("tags.jsonl", "words tokens, tags tags")]
    [InlineData("tagscol.parquet", "words tokens, tags tags")]
    [InlineData("utf16.conll", "UTF-16")]
    public void The_same_sentences_come_out_of_every_form_and_what_was_decided_is_said(string name, string decided)
    {
        var source = SentenceReader.Open(Folder("cases", name), Types, Unnamed);

        string[] sentences = [.. source.Select(sentence => Show(sentence))];

        Assert.Equal(30, sentences.Length);
        Assert.Equal("John/B-PER Smith/I-PER works/O at/O Acme/B-ORG Corp/I-ORG in/O Paris/B-LOC ./O", sentences[0]);
        Assert.Equal(Read(Folder("cases", "array.json"), Unnamed), sentences);
        Assert.Contains(decided, Said(source), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("int.jsonl")]
    [InlineData("int.parquet")]
    [InlineData("u8.parquet")]
    public void Numbers_mean_what_types_says_in_its_order_and_nothing_without(string name)
    {
        Assert.Contains("types=PER,ORG,LOC means 0 = O, 1 = B-PER", Refusal(Folder("cases", name)).Message, StringComparison.Ordinal);
        Assert.Equal(Read(Folder("cases", "array.json"), Unnamed).Take(2), Read(Folder("cases", name), Named).Take(2));
    }

    [Fact]
    public void Numbers_of_tner_mean_what_its_label_file_says_what_types_says_or_nothing()
    {
        using var folder = new TemporaryFolder();
        var path = Folder("cases", "tner.json");
        var beside = folder.Write("train.json", File.ReadAllBytes(path));
        folder.Write("label.json", """{"O": 0, "B-LOC": 1, "I-LOC": 2, "B-PER": 3, "I-PER": 4}""");

        Assert.Contains("numbers (0 to 3) that nothing names", Refusal(path).Message, StringComparison.Ordinal);
        Assert.Equal(["A/O lies/B-ORG in/B-ORG B/B-PER"], Read(path, Named));
        Assert.Equal(["A/O lies/B-PER in/B-PER B/B-LOC"], Read(beside, Unnamed));
    }

    [Fact]
    public void Neighbours_in_IOB1_are_two_entities() =>
        Assert.Equal(["Bern/B-LOC und/O Anna/B-PER Bob/B-PER rief/O"], Read(Folder("cases", "iob1-hunt.conll"), Unnamed));

    [Fact]
    public void Two_columns_of_tags_are_named_and_asked_about()
    {
        var path = Folder("cases", "germeval-columns.conllu");

        Assert.Contains("2 columns hold tags: column 2 (O B-PER B-ORG I-ORG …); column 3 (O B-LOC). Which of them is it? Say tagColumn=2 or tagColumn=3",
            Refusal(path).Message, StringComparison.Ordinal);
        Assert.StartsWith("Gestern/O Bob/B-PER traf/O den/O FC/B-ORG Oslo/I-ORG in/O Lima/B-LOC", Read(path, Unnamed with { TagColumn = 2 })[0],
            StringComparison.Ordinal);
        Assert.StartsWith("Gestern/O Bob/O traf/O den/O FC/O Oslo/B-LOC in/O Lima/O", Read(path, Unnamed with { TagColumn = 3 })[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Document_marks_are_never_words() =>
        Assert.Equal(["Ouro/B-LOC Preto/I-LOC 20/O de/O", "Souza/B-PER Carvalho/I-PER"], Read(Folder("cases", "labelstudio-export.conll"), Unnamed));

    [Fact]
    public void Bare_carriage_returns_end_lines() => Assert.Equal(["Bern/B-LOC ist/O", "Oslo/B-LOC"], Read(Folder("cases", "mac-cr.conll"), Unnamed));

    [Fact]
    public void A_file_without_entities_says_so()
    {
        var source = SentenceReader.Open(Folder("cases", "nolabels_all_O.conll"), Types, Unnamed);

        Assert.Equal(30, source.Count());
        Assert.Contains("no word belongs to an entity", Said(source), StringComparison.Ordinal);
    }

    [Fact]
    public void Other_names_of_fields_are_known() =>
        Assert.Equal(["CHICAGO/B-ORG AT/O ATLANTA/B-LOC", "Halftime/O"], Read(Folder("cases", "hf-sample.json"), Unnamed));

    [Fact]
    public void Broken_lines_are_named_one_by_one()
    {
        var error = Refusal(Folder("cases", "broken.jsonl"));

        Assert.Equal([2L, 3L, 4L], error.Faults.Select(fault => fault.Line));
        Assert.Contains("FOO (1 tag). Name the file's types: types=FOO", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("parquet-HANG-12.parquet")]
    [InlineData("parquet-bad-14055.parquet")]
    [InlineData("parquet-bad-84225.parquet")]
    [InlineData("jsonl-gz-bad-10750.jsonl.gz")]
    public void Damage_ends_in_one_fault_of_our_own(string name) => Assert.Equal(1, Refusal(Folder("damaged", name)).FaultCount);

    [Fact]
    public void Whatever_is_changed_in_a_file_it_is_read_or_refused_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(5);
        foreach (var path in Directory.EnumerateFiles(Folder("tables")).Concat(Directory.EnumerateFiles(Folder("cases"))).Order(StringComparer.Ordinal))
        {
            var whole = File.ReadAllBytes(path);
            for (var round = 0; round < 6; round++)
            {
                var changed = folder.Write("changed" + Path.GetExtension(path), Changed(whole, random));
                var error = Record.Exception(() => SentenceReader.Open(changed, Types, Named).Count());
                Assert.True(error is null or DataFormatException, $"{Path.GetFileName(path)}, round {round}: {error}");
            }
        }
    }

    private static byte[] Changed(byte[] whole, Random random)
    {
        var bytes = whole[..(random.Next(4) == 0 ? random.Next(whole.Length + 1) : whole.Length)];
        for (var change = random.Next(1, 4); change > 0 && bytes.Length > 0; change--)
        {
            // Parquet's footer, at the end, is where damage leads furthest.
            bytes[random.Next(random.Next(2) * Math.Max(0, bytes.Length - 1000), bytes.Length)] = (byte)random.Next(256);
        }

        return bytes;
    }

    private static string[] Expected()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Folder("tables", "expected.json")));
        return [.. json.RootElement.EnumerateArray()
            .Select(row =>
            string.Join(' ', row.GetProperty("tokens").EnumerateArray()
                .Zip(row.GetProperty("tags").EnumerateArray(), (word, tag) => $"{word.GetString()}/{tag.GetString()}")))];
    }

    private static string[] Read(string path, ReaderOptions options) => [.. SentenceReader.Open(path, Types, options).Select(Show)];

    private static DataFormatException Refusal(string path) => Assert.Throws<DataFormatException>(() => Read(path, Unnamed));

    private static string Said(SentenceSource source) => $"{source.Report} {string.Join("; ", source.Report!.Notices)}";

    private static string Show(Sentence sentence) => string.Join(' ', sentence.Words.Zip(sentence.Tags, (word, tag) => $"{word}/{Types.Names[tag]}"));

    private static string Folder(params string[] parts) => Repository.PathOf(["tests", "goldens", "data", .. parts]);
}
