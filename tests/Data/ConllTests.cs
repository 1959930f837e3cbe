using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

public sealed class ConllTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void First_and_last_column_are_word_and_tag_by_default()
    {
        var path = _folder.Write("a.conll", "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\nBlackburn NNP I-NP I-PER");

        SentenceGen.Equal([new(["EU", "rejects"], [3, 0]), new(["Peter", "Blackburn"], [1, 2])], [.. SentenceReader.Open(path, LabelSet.SystemA)]);
    }

    [Fact]
    public void Columns_can_be_chosen_from_either_end()
    {
        var path = _folder.Write("a.tsv", "O\tx\tRome\tB-LOC\t_\n");

        var options = new ReaderOptions { WordColumn = 2, TagColumn = -2 };

        SentenceGen.Equal([new(["Rome"], [5])], [.. SentenceReader.Open(path, LabelSet.SystemA, options)]);
    }

    [Fact]
    public void ConllU_has_comments_numbers_contractions_and_empty_nodes()
    {
        var path = _folder.Write("a.conllu",
            "# text = don't, Ada\n1-2\tdon't\t_\n1\tdo\tO\n2\tn't\tO\n2.1\tgo\tO\n3\tAda\tB-PER\n\n\n# only a comment\n\n0\t#\tO\n");

        SentenceGen.Equal([new(["do", "n't", "Ada"], [0, 0, 1]), new(["#"], [0])], [.. SentenceReader.Open(path, LabelSet.SystemA)]);
    }

    [Fact]
    public void Numbers_are_words_where_no_column_numbers_the_words()
    {
        var scores = _folder.Write("scores.conll", "2-1\tO\n\n0.5\tB-LOC\n");
        var counts = _folder.Write("counts.conll", "1\tO\n2\tB-LOC\n");

        SentenceGen.Equal([new(["2-1"], [0]), new(["0.5"], [5])], [.. SentenceReader.Open(scores, LabelSet.SystemA)]);
        SentenceGen.Equal([new(["1", "2"], [0, 5])], [.. SentenceReader.Open(counts, LabelSet.SystemA)]);
    }

    [Fact]
    public void A_hash_begins_a_word_where_a_tag_follows_and_a_comment_elsewhere()
    {
        var path = _folder.Write("a.conll", "# a comment with words\n#fashion\tO\n# O\n#\n\t\n#Rome B-LOC\n");

        SentenceGen.Equal([new(["#fashion", "#"], [0, 0]), new(["#Rome"], [5])], [.. SentenceReader.Open(path, LabelSet.SystemA)]);
    }

    [Fact]
    public void Unknown_types_are_named_with_their_lines_or_read_as_outside()
    {
        var path = _folder.Write("a.conll", "the\tO\nPulitzer\tB-MISC\nPrize\tI-MISC\n\nRome\tB-LOC\n");

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA).ToList());
        var outside = SentenceReader.Open(path, LabelSet.SystemA, new() { UnknownTypes = UnknownTypes.Outside }).ToList();

        Assert.Equal(2, Assert.Single(error.Faults).Line);
        Assert.Contains("unknown tag 'B-MISC': the file has types that are not among PER ORG LOC", error.Message, StringComparison.Ordinal);
        Assert.Contains("MISC (2 tags). Name the file's types: types=MISC,LOC; or read the others as O: otherTypes=outside", error.Message,
            StringComparison.Ordinal);
        SentenceGen.Equal([new(["the", "Pulitzer", "Prize"], [0, 0, 0]), new(["Rome"], [5])], outside);
    }

    [Fact]
    public void Garbage_in_the_tag_column_is_refused_even_where_unknown_types_are_read_as_outside()
    {
        var path = _folder.Write("a.conll", "the\tO\nPrize\tprize\nof\tprize\nAda\tB-PER\nByron\tI-PER\nis\tO\n\nlone\n\nRome\tB-LOC\n");

        var error = Assert.Throws<DataFormatException>(() =>
            SentenceReader.Open(path, LabelSet.SystemA, new() { UnknownTypes = UnknownTypes.Outside }).ToList());

        Assert.Equal([2L, 8L], error.Faults.Select(fault => fault.Line));
        Assert.Contains("'prize' is no IOB2 tag, where the file's others look like B-PER (2 such tags: prize)", error.Faults[0].Problem,
            StringComparison.Ordinal);
        Assert.Contains("1 column; expected 2, as on the file's other lines", error.Faults[1].Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("NN\tdog\tO\nNNP\tRome\tB-LOC\nVB\tran\tO\n\nNN\tcat\tO\nNN\tbird\tO\nNNP\tAnna\tB-PER\n", "dog Rome ran cat bird Anna")]
    [InlineData("Melbourne NP B-LOC\n( Fpa O\nAustralia NP B-LOC\n\n- Fg O\n", "Melbourne ( Australia -")]
    [InlineData("#\thttp://n [2010-01-01]\n1\tAm\tO\tO\n2\tAnna\tB-PER\tO\n", "Am Anna")]
    [InlineData("bc/x 0 0 Anna NNP B-PER\nbc/x 0 1 ran VBD O\n\nbc/x 0 0 Bob NNP B-PER\nbc/x 0 1 sat VBD O\n", "Anna ran Bob sat")]
    [InlineData("-DOCSTART- -X- O O\nCRICKET NNP I-NP O\n- : O O\nLEEDS NNP I-NP I-ORG\n", "CRICKET - LEEDS")]
    public void Columns_are_found_by_what_they_hold(string text, string words) =>
        Assert.Equal(words, string.Join(' ', SentenceReader.Open(_folder.Write("a.conll", text), LabelSet.SystemA).SelectMany(sentence => sentence.Words)));

    [Theory]
    [InlineData("Bob NNP B-PER B-LOC\nran VBD O O\n", "2 columns hold tags: column 2 (B-PER O); column 3 (B-LOC O)")]
    [InlineData("1\tvamos\t_\n2\tnos\tSpaceAfter=No\n", "no column holds tags of entities")]
    [InlineData("Bern B-LOC\nNew York B-LOC\nist O\n", "a.conll:2: 3 columns; expected 2, as on the file's other lines")]
    [InlineData("Bob\n", "1 column; expected a word and its tag")]
    [InlineData("Bob\tB-PER\nran\t\n", "a.conll:2: 1 tag is empty")]
    public void Columns_that_do_not_tell_are_listed(string text, string problem) =>
        Assert.Contains(
            problem, Assert.Throws<DataFormatException>(() => SentenceReader.Open(_folder.Write("a.conll", text), LabelSet.SystemA).Count()).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Another_encoding_is_one_cause_with_its_lines()
    {
        var path = _folder.Write("a.conll", System.Text.Encoding.Latin1.GetBytes("Zürich B-LOC\nist O\nschön O\nKöln B-LOC\n"));

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA).Count());

        Assert.Equal(3, error.FaultCount);
        Assert.EndsWith("save it as UTF-8. Also in line 3, 4.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sentence_without_end_is_one_fault()
    {
        var path = _folder.Write("a.conll", string.Concat(Enumerable.Repeat("word\tO\n", 1000)));

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA, new() { MaxWordsPerSentence = 100 }).ToList());

        Assert.Equal(101, Assert.Single(error.Faults).Line);
    }

    [Fact]
    public void The_real_sentences_of_WikiNEuRal_and_WNUT_are_read_whole()
    {
        var outside = new ReaderOptions { UnknownTypes = UnknownTypes.Outside, Language = "en" };
        var wiki = SentenceReader.Open(Repository.Shared("reference", "ner", "wikineural-en-val.conllu.gz"), LabelSet.SystemA, outside);
        var wnut = SentenceReader.Open(
            Repository.Shared("reference", "ner", "wnut17-train.conll.gz"),
            new LabelSet(["corporation", "creative-work", "group", "location", "person", "product"]),
            new() { Rows = RowListing.AsListed });

        Assert.Equal(11_590, wiki.Count());
        Assert.Equal(new ReadSummary(11_590, 11_590, 0, 0), wiki.Summary);
        Assert.Equal("Her visit to Tuvalu", string.Join(' ', wiki.First().Words.Take(4)));
        Assert.Equal(3_394, wnut.Count());
    }
}
