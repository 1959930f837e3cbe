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
        var path = _folder.Write("a.conllu", "# text = don't, Ada\n1-2\tdon't\t_\n1\tdo\tO\n2\tn't\tO\n2.1\tgo\tO\n3\tAda\tB-PER\n\n\n# only a comment\n\n0\t#\tO\n");

        SentenceGen.Equal([new(["do", "n't", "Ada"], [0, 0, 1]), new(["#"], [0])], [.. SentenceReader.Open(path, LabelSet.SystemA)]);
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

        Assert.Equal([2L, 3L], error.Faults.Select(fault => fault.Line));
        Assert.Contains("unknown tag 'B-MISC'", error.Faults[0].Problem, StringComparison.Ordinal);
        Assert.Contains("UnknownTypes.Outside", error.Faults[0].Problem, StringComparison.Ordinal);
        SentenceGen.Equal([new(["the", "Pulitzer", "Prize"], [0, 0, 0]), new(["Rome"], [5])], outside);
    }

    [Fact]
    public void Garbage_in_the_tag_column_is_refused_even_where_unknown_types_are_read_as_outside()
    {
        var path = _folder.Write("a.conll", "the\tO\nPrize\tprize\nlone\n");

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA, new() { UnknownTypes = UnknownTypes.Outside }).ToList());

        Assert.Equal([2L, 3L], error.Faults.Select(fault => fault.Line));
        Assert.Contains("'prize' is no IOB2 tag", error.Faults[0].Problem, StringComparison.Ordinal);
        Assert.Contains("1 column; expected a word in column 0 and a tag in column -1", error.Faults[1].Problem, StringComparison.Ordinal);
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
