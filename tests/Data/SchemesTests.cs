using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

/// <summary>How tags are read that are no plain IOB2, and what is asked, refused or said; FormsTests has the conversions.</summary>
public sealed class SchemesTests : IDisposable
{
    private static readonly LabelSet Types = new(["PER", "ORG", "LOC"]);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_could_be_either_is_asked_about_and_the_answer_is_taken()
    {
        const string text = "a I-PER\nb O\nc B-PER\nd O\n\ne I-LOC\nf O\ng B-LOC\n";

        Assert.Contains("B- begins an entity 2 times and I- 2 times", Refusal(text).Message, StringComparison.Ordinal);
        Assert.Equal("a/B-PER b/O c/B-PER d/O e/B-LOC f/O g/B-LOC", Read(text, new() { Scheme = TagScheme.Iob1 }));
        Assert.Equal("a/I-PER b/O c/B-PER d/O e/I-LOC f/O g/B-LOC", Read(text, new() { Scheme = TagScheme.Iob2 }));
    }

    [Fact]
    public void A_slip_among_many_entities_is_left_and_counted()
    {
        var source = Open(string.Concat(Enumerable.Repeat("a B-PER\nb I-PER\nc O\n\n", 30)) + "d I-LOC\n");

        Assert.Equal(31, source.Count());
        Assert.Contains("1 I- tag continues nothing (of 31 entities); left as they are", source.Report!.Notices);
    }

    [Theory]
    [InlineData("a B-PER\nb E-PER\nc L-PER\n", "the tags begin with B E L, which no one scheme has")]
    [InlineData("a B\nb I\nc O\n", "are letters without a type; name the one type that they mark")]
    [InlineData("a B-PER\nb I-\nc O\n", "'I-' is no IOB2 tag")]
    public void Tags_of_no_scheme_are_refused(string text, string problem) => Assert.Contains(problem, Refusal(text).Message, StringComparison.Ordinal);

    [Fact]
    public void A_scheme_that_the_letters_contradict_is_refused() => Assert.Contains(
        "scheme is BILOU, whose tags begin with B I L U, but the file has 'E-PER'", Refusal("a B-PER\nb E-PER\n", new() { Scheme = TagScheme.Bilou }).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Letters_alone_mark_the_only_type() => Assert.Equal(
        [[1, 2, 0]], SentenceReader.Open(_folder.Write("a.conll", "a B\nb I\nc O\n"), new LabelSet(["DRUG"])).Select(sentence => sentence.Tags));

    [Fact]
    public void Broken_places_of_a_scheme_with_ends_are_counted()
    {
        var source = Open("a B-PER\nb O\nc E-LOC\nd S-LOC\n");

        Assert.Equal(["a/B-PER b/O c/B-LOC d/B-LOC"], source.Select(Show));
        Assert.Contains("BIOES is broken at 2 places (an entity that does not end, or that goes on without a beginning); read by the letters as they stand",
            source.Report!.Notices);
    }

    [Fact]
    public void Numbers_of_types_alone_are_read_when_the_scheme_says_so()
    {
        var path = _folder.Write("a.jsonl", """{"tokens": ["a", "b", "c", "d"], "ner_tags": [1, 1, 0, 3]}""");

        var source = SentenceReader.Open(path, Types, new() { Scheme = TagScheme.Io });

        Assert.Equal(["a/B-PER b/I-PER c/O d/B-LOC"], source.Select(Show));
        Assert.StartsWith("by the types given: 0 O, 1 PER, 2 ORG, 3 LOC", source.Report!.Numbering, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dataset_info.json",
        """{"features": {"ner_tags": {"feature": {"names": ["O", "B-LOC", "I-LOC"], "_type": "ClassLabel"}, "_type": "Sequence"}}}""")]
    [InlineData("dataset_infos.json",
        """{"default": {"features": {"ner_tags": {"feature": {"names": ["O", "B-LOC", "I-LOC"], "_type": "ClassLabel"}, "_type": "List"}}}}""")]
    [InlineData("label.json", """{"I-LOC": 2, "O": 0, "B-LOC": 1}""")]
    [InlineData("README.md", "---\ndataset_info:\n- config_name: x\n  features:\n  - name: ner_tags\n    sequence:\n      class_label:\n        names:\n       "
        + "   '0': O\n          '1': B-LOC\n          '2': I-LOC\n---\n")]
    public void A_file_beside_names_numbers(string name, string text)
    {
        _folder.Write(name, text);
        var path = _folder.Write("a.jsonl", """{"tokens": ["Rome"], "ner_tags": [1]}""");

        Assert.Equal(["Rome/B-LOC"], SentenceReader.Open(path, Types, new() { NumbersAreLabels = false }).Select(Show));
    }

    [Fact]
    public void The_object_around_the_rows_names_numbers_too() => Assert.Equal(["Rome/B-LOC"], SentenceReader.Open(
        _folder.Write("a.json", """{"id2label": {"0": "O", "1": "B-LOC"}, "data": [{"tokens": ["Rome"], "ner_tags": [1]}]}"""), Types,
        new() { NumbersAreLabels = false }).Select(Show));

    [Theory]
    [InlineData("label_names")]
    [InlineData("classes")]
    public void A_list_of_tags_around_the_rows_names_numbers_whatever_it_is_called(string name) => Assert.Equal(["Rome/B-LOC"], SentenceReader.Open(
        _folder.Write("a.json", $$"""{"{{name}}": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "data": [{"tokens": ["Rome"], "ner_tags": [3]}]}"""), Types,
        new() { NumbersAreLabels = false }).Select(Show));

    [Fact]
    public void Types_match_but_for_case_only_where_that_is_plain()
    {
        Assert.Contains("unknown tag 'B-per'", Refusal("a B-per\nb O\n\nc B-PER\n").Message, StringComparison.Ordinal);
        Assert.Equal("a/B-PER b/O", Read("a B-per\nb O\n", new()));
    }

    [Fact]
    public void Types_that_never_occur_are_said()
    {
        var source = Open("a B-PER\n");

        Assert.Single(source);
        Assert.Contains("types that never occur: ORG LOC", source.Report!.Notices);
    }

    private SentenceSource Open(string text, ReaderOptions? options = null) =>
        SentenceReader.Open(_folder.Write("a.conll", text), Types, (options ?? new()) with { Rows = RowListing.AsListed });

    private string Read(string text, ReaderOptions options) => string.Join(' ', Open(text, options).Select(Show));

    private DataFormatException Refusal(string text, ReaderOptions? options = null) => Assert.Throws<DataFormatException>(() => Open(text, options).Count());

    private static string Show(Sentence sentence) => string.Join(' ', sentence.Words.Zip(sentence.Tags, (word, tag) => $"{word}/{Types.Names[tag]}"));
}
