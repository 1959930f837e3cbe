using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

public sealed class JsonLinesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void MultiNERDs_lines_are_read_whatever_the_order_of_fields_and_whatever_else_they_hold()
    {
        var path = _folder.Write("train.jsonl", """
            {"tokens": ["Rome", "is", "Rome"], "ner_tags": [5, 0, 5], "lang": "en"}

            {"id": {"a": [1, {"b": null}]}, "lang": "en", "ner_tags": ["B-PER", "I-PER"], "tokens": ["Ada", "Lovelac\u00e9"]}
            """ + "\r\n");

        var sentences = SentenceReader.Open(path, LabelSet.SystemA).ToList();

        SentenceGen.Equal([new(["Rome", "is", "Rome"], [5, 0, 5]), new(["Ada", "Lovelacé"], [1, 2])], sentences);
        Assert.Same(sentences[0].Words[0], sentences[0].Words[2]);
    }

    [Theory]
    [InlineData("""{"tokens": ["a"], "ner_tags": [0, 0]}""", "1 words but 2 tags; expected one tag per word.")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [31]}""", "tag id 31 is out of range; expected 0 to 30 (O, B-PER, I-PER")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [-1]}""", "tag id -1 is out of range")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [1e30]}""", "expected whole numbers")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [0.5]}""", "expected whole numbers")]
    [InlineData("""{"tokens": ["a"], "ner_tags": ["B-MISC"]}""", "unknown tag 'B-MISC': the file has types that are not among PER ORG")]
    [InlineData("""{"tokens": ["a"], "ner_tags": ["noun"]}""", "unknown tag 'noun'")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [null]}""", "expected ids or names, found null")]
    [InlineData("""{"tokens": ["a"]}""", "missing field ner_tags")]
    [InlineData("""{}""", "missing field tokens and ner_tags")]
    [InlineData("""{"tokens": "a", "ner_tags": [0]}""", "tokens: expected a list of strings, found a string")]
    [InlineData("""{"tokens": ["a", 1], "ner_tags": [0, 0]}""", "tokens: expected strings, found a number as word 1")]
    [InlineData("""{"tokens": ["a"], "ner_tags": 0}""", "ner_tags: expected a list of tag ids or names, found a number")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [0], "lang": 5}""", "lang: expected a string, found a number")]
    [InlineData("""[{"tokens": ["a"], "ner_tags": [0]}]""", "found a list; is this JSON lines, one object a line?")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [0]""", "broken JSON at byte")]
    [InlineData("""{"tokens": ["a"], "ner_tags": [0]} {}""", "broken JSON at byte 35")]
    [InlineData("""{"tokens": ["\ud800"], "ner_tags": [0]}""", "half a surrogate pair")]
    [InlineData("""{"tokens": ["a", "a", "a", "a"], "ner_tags": [0, 0, 0, 0]}""", "more than 3 words; raise MaxWordsPerSentence")]
    [InlineData("not json", "broken JSON at byte")]
    public void A_wrong_line_is_named_with_what_is_wrong(string line, string problem)
    {
        var path = _folder.Write("a.jsonl", "{\"tokens\": [\"x\"], \"ner_tags\": [0]}\n" + line + "\n");

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA, new() { MaxWordsPerSentence = 3 }).ToList());

        var fault = Assert.Single(error.Faults);
        Assert.Equal((path, 2), (fault.File, fault.Line));
        Assert.Contains(problem, fault.Problem, StringComparison.Ordinal);
        Assert.StartsWith($"{path}:2: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_UTF8_are_named()
    {
        var path = _folder.Write("a.jsonl", [.. "{\"tokens\": [\""u8, 0xC3, 0x28, .. "\"], \"ner_tags\": [0]}\n"u8]);

        var error = Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA).ToList());

        Assert.Contains("not valid UTF-8", Assert.Single(error.Faults).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Deeply_nested_JSON_is_a_wrong_line_not_a_crash()
    {
        var path = _folder.Write("a.jsonl", "{\"x\": " + new string('[', 100_000) + "\n");

        Assert.Contains("broken JSON", Assert.Throws<DataFormatException>(() => SentenceReader.Open(path, LabelSet.SystemA).ToList()).Message,
            StringComparison.Ordinal);
    }
}
