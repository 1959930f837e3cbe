using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

/// <summary>Texts with entities as stretches of characters: words, tags, and what cannot be had from them.</summary>
public sealed class SpansTests : IDisposable
{
    private static readonly LabelSet Types = new(["PER", "ORG", "LOC"]);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("Anna (Bob) met Smith's team , 3.5 km off.", "Anna|(Bob)|met|Smith's|team|,|3.5|km|off.")]
    [InlineData("Anna (Bob) met Smith's team, 3.5 km off.", "Anna|(|Bob|)|met|Smith's|team|,|3.5|km|off|.")]
    [InlineData("“Free-kick!” said O'Neil…", "“|Free-kick|!|”|said|O'Neil|…")]
    [InlineData("在东京 ok", "在|东|京|ok")]
    [InlineData("🙂🙂 C++ costs $5", "🙂🙂|C++|costs|$5")]
    [InlineData("Wait … they left Paris, France (again).", "Wait|…|they|left|Paris|,|France|(|again|)|.")]
    [InlineData("  \n ", "")]
    public void Running_text_is_split_into_words(string text, string words) =>
        Assert.Equal(words, string.Join('|', WordSplitter.Split(text).Select(word => text[word.Start..word.End])));

    [Fact]
    public void A_span_that_ends_at_punctuation_splits_a_word_there() => Assert.Equal(
        "Smith/B-PER 's/O team/O in/O Paris/B-LOC -based/O Acme/B-ORG Corp/I-ORG ./O",
        Read("""{"text": "Smith's team in Paris-based Acme Corp.", "label": [[0, 5, "PER"], [16, 21, "LOC"], [28, 37, "ORG"]]}"""));

    [Theory]
    [InlineData("""{"text": "in Paris", "label": [[3, 6, "LOC"]]}""", "a.jsonl:1: span 3 to 6 'Par' (LOC) cuts the word 'Paris'")]
    [InlineData("""{"text": "New York City", "label": [[0, 8, "LOC"], [4, 13, "LOC"]]}""", "the spans 'New York' (LOC) and 'York City' (LOC) overlap")]
    [InlineData("""{"text": "ok", "label": [[0, 9, "LOC"]]}""", "span 0 to 9 (LOC) lies outside of a text of 2 characters")]
    [InlineData("""{"text": "ok", "label": [[1, 1, "LOC"]]}""", "or is empty")]
    [InlineData("""{"text": "a  b", "label": [[1, 3, "LOC"]]}""", "is blank or has no label")]
    [InlineData("""{"text": "Rome", "spans": [{"start": 0, "end": 4, "text": "Oslo", "label": "LOC"}]}""", "reads 'Rome', its record says 'Oslo'")]
    [InlineData("""{"text": "Rome", "entities": [{"start": 0, "label": "LOC"}]}""", "is no span; expected [start, end, label]")]
    [InlineData("""{"text": "Rome", "entities": [{"start": 0, "end": 4, "labels": ["LOC", "ORG"]}]}""", "a span has 2 labels; a word has one tag")]
    public void A_span_that_cannot_become_tags_is_a_fault_with_its_line(string row, string problem) =>
        Assert.Contains(problem, Assert.Throws<DataFormatException>(() => Read(row)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"text": "🙂 Bob", "label": [[2, 5, "PER"]]}""")]
    [InlineData("""{"text": "🙂 Bob", "label": [{"start": 3, "end": 6, "text": "Bob", "labels": ["PER"]}]}""")]
    [InlineData("""{"text": "🙂 Bob", "entities": [{"id": 1, "start_offset": 2, "end_offset": 5, "label": "PER"}]}""")]
    [InlineData("""{"text": "🙂 Bob", "label": [[3, 6, "PER"]]}""")]
    public void Places_count_characters_or_UTF16_units_as_the_text_of_the_span_shows(string row) => Assert.Equal("🙂/O Bob/B-PER", Read(row));

    [Fact]
    public void Label_Studio_counts_as_JavaScript_and_a_task_without_annotation_is_left_out()
    {
        var source = Open("a.json", """
            [{"data": {"text": "🙂🙂 Bob"}, "annotations": [{"result": [{"type": "labels", "value": {"start": 5, "end": 8, "labels": ["PER"]}}, {"type": "choices", "value": {"choices": ["x"]}}]}]},
             {"data": {"text": "not annotated"}, "annotations": []}, {"data": {"text": "skipped"}, "annotations": [{"was_cancelled": true, "result": []}]}]
            """);

        Assert.Equal(["🙂🙂/O Bob/B-PER"], source.Select(Show));
        Assert.Contains("left out, since the task has no annotation: 2 rows", source.Report!.Notices);
    }

    [Fact]
    public void Places_that_fit_both_ways_are_counted_so_that_spans_end_where_words_do()
    {
        // By characters the first would be "ob r" of a longer text.
        Assert.Equal("🙂/O Bob/B-PER ran/O home/O", Read("""{"text": "🙂 Bob ran home", "label": [[3, 6, "PER"]]}"""));
        Assert.Equal("🙂/O Bob/B-PER ran/O home/O", Read("""{"text": "🙂 Bob ran home", "label": [[2, 5, "PER"]]}"""));
    }

    [Fact]
    public void Predictions_are_taken_where_a_task_has_no_field_for_annotations()
    {
        var source = Open(
            "a.json", """[{"data": {"text": "🙂 Bob"}, "predictions": [{"model_version": "m", "result": [{"type": "labels", "value": {"start": 3, "end": 6, "labels": ["PER"]}}]}]}]""");

        Assert.Equal(["🙂/O Bob/B-PER"], source.Select(Show));
        Assert.Contains("a model's predictions were taken, since the task has no field for annotations: 1 row", source.Report!.Notices);
    }

    [Fact]
    public void Prodigys_words_are_taken_and_what_was_rejected_is_left_out()
    {
        var source = Open("a.jsonl", """
            {"text": "U.S.-made", "tokens": [{"text": "U.S.", "start": 0, "end": 4}, {"text": "-made", "start": 4, "end": 9}], "spans": [{"start": 0, "end": 4, "label": "LOC"}], "answer": "accept"}
            {"text": "Bob", "tokens": [{"text": "Bob", "start": 0, "end": 3}], "spans": [{"start": 0, "end": 3, "label": "ORG"}], "answer": "reject"}
            """);

        Assert.Equal(["U.S./B-LOC -made/O"], source.Select(Show));
        Assert.Contains("left out, since Prodigy's answer is not accept: 1 row", source.Report!.Notices);
    }

    [Theory]
    [InlineData("""[["Bob ran.", {"entities": [[0, 3, "PER"]]}]]""")]
    [InlineData("""{"classes": ["PER"], "annotations": [["Bob ran.", {"entities": [[0, 3, "PER"]]}], null]}""")]
    [InlineData(
        """{"text": "Bob ran.", "ents": [{"start": 0, "end": 3, "label": "PER"}], "tokens": [{"id": 0, "start": 0, "end": 3}, {"id": 1, "start": 4, "end": 7}, {"id": 2, "start": 7, "end": 8}]}""")]
    [InlineData("""{"data": [{"content": "Bob ran.", "annotations": [{"start": 0, "end": 3, "type": "PER"}]}]}""")]
    public void SpaCys_forms_and_their_kin_are_read(string text) => Assert.Equal(["Bob/B-PER ran/O ./O"], Open("a.json", text).Select(Show));

    private SentenceSource Open(string name, string text) => SentenceReader.Open(_folder.Write(name, text), Types, new() { Rows = RowListing.AsListed });

    private string Read(string row) => Show(Open("a.jsonl", row + "\n").Single());

    private static string Show(Sentence sentence) => string.Join(' ', sentence.Words.Zip(sentence.Tags, (word, tag) => $"{word}/{Types.Names[tag]}"));
}
