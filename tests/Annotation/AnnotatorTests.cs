using System.Text.Json.Nodes;
using NotebookLib.Annotation;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Tests.Data;
using NotebookLib.Tests.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Annotation;

/// <summary>Files in, files out, with a network of a few lines: goat begins an X, of goes on with it, bees is a Y.</summary>
public sealed class AnnotatorTests : IDisposable
{
    private const string Text = "the goat of bees\n\n😀 goat, (bees) and 😀😀 the goat.\nnothing here\n";

    private static readonly DebertaTokenizer s_tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);
    private static readonly string[] s_labels = ["O", "B-X", "I-X", "B-Y", "I-Y"];

    private readonly TemporaryFolder _folder = new();
    private readonly EntityTagger _tagger = new(s_tokenizer, new FakeScorer(s_labels, new()
    {
        [Id("▁goat")] = [0.1f, 0.9f, 0, 0, 0],
        [Id("▁of")] = [0.3f, 0.2f, 0.5f, 0, 0],
        [Id("▁bee")] = [0.2f, 0, 0, 0.8f, 0],
    }));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void JSON_lines_hold_places_in_characters_and_where_the_text_stood()
    {
        var rows = Lines(Annotate("a.txt", Text, "o.jsonl"));

        Assert.Equal(3, rows.Count);
        Assert.Equal(
            """{"text":"the goat of bees","entities":[{"start":4,"end":11,"type":"X","score":0.7,"text":"goat of"},{"start":12,"end":16,"type":"Y","score":0.8,"text":"bees"}],"file":"a.txt","line":1}""",
            rows[0]!.ToJsonString().Replace(_folder.PathOf("a.txt"), "a.txt", StringComparison.Ordinal));
        var second = rows[1]!;
        Assert.Equal(3, (int)second["line"]!);
        var characters = ((string)second["text"]!).EnumerateRunes().ToList();
        Assert.All(second["entities"]!.AsArray(),
            entity => Assert.Equal((string)entity!["text"]!, string.Concat(characters[(int)entity["start"]!..(int)entity["end"]!])));
        Assert.Equal(["goat", "bees", "goat"], second["entities"]!.AsArray().Select(entity => (string)entity!["text"]!));
        Assert.Empty(rows[2]!["entities"]!.AsArray());
    }

    [Theory]
    [InlineData(nameof(AnnotationFormat.JsonLines), "o.jsonl")]
    [InlineData(nameof(AnnotationFormat.Json), "o.json")]
    [InlineData(nameof(AnnotationFormat.Conll), "o.conll")]
    [InlineData(nameof(AnnotationFormat.Csv), "o.csv")]
    [InlineData(nameof(AnnotationFormat.Parquet), "o.parquet")]
    [InlineData(nameof(AnnotationFormat.Doccano), "o.jsonl")]
    [InlineData(nameof(AnnotationFormat.LabelStudio), "o.json")]
    [InlineData(nameof(AnnotationFormat.Spacy), "o.jsonl")]
    public void What_our_own_readers_read_back_are_the_same_entities(string format, string output)
    {
        var lines = Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var expected = _tagger.TagAll(lines, cancellation: TestContext.Current.CancellationToken);
        Annotate("a.txt", Text, output, settings => settings with { Format = Enum.Parse<AnnotationFormat>(format) });

        var source = SentenceReader.Open(_folder.PathOf(output), new LabelSet(["X", "Y"]), new() { Rows = RowListing.AsListed });

        Assert.Equal(expected.Select(Show), source.Select(sentence => Show(sentence)));
    }

    [Fact]
    public void A_text_that_begins_like_a_formula_is_none_in_a_spreadsheet_and_its_words_are_what_they_were()
    {
        const string Formula = "=HYPERLINK(1) goat\u001b\n";
        var csv = Annotate("=a.txt", Formula, "o.csv");

        Assert.Contains(",1,\"'=HYPERLINK(1) goat␛\",", File.ReadAllText(csv), StringComparison.Ordinal);
        Assert.Equal("goat\u001b", Assert.Single(SentenceReader.Open(csv, new LabelSet(["X", "Y"]), new() { Rows = RowListing.AsListed })).Words[^1]);
    }

    [Fact]
    public void Doccano_and_Label_Studio_count_as_their_pages_do_and_spaCys_tokens_rebuild_the_text()
    {
        const string Odd = "  😀  goat,\u00A0bees \n";
        var doccano = Lines(Annotate("a.txt", Odd, "d.jsonl", settings => settings with { Format = AnnotationFormat.Doccano }))[0]!;
        var task = JsonNode.Parse(File.ReadAllText(Annotate("a.txt", Odd, "l.json", settings => settings with { Format = AnnotationFormat.LabelStudio })))![0]!;
        var spacy = Lines(Annotate("a.txt", Odd, "s.jsonl", settings => settings with { Format = AnnotationFormat.Spacy }))[0]!;

        // JavaScript's substring counts as .NET's does.
        Assert.All(doccano["label"]!.AsArray(),
            label => Assert.Contains(((string)doccano["text"]!)[(int)label![0]!..(int)label[1]!], (string[])["goat", "bees"]));
        Assert.All(task["predictions"]![0]!["result"]!.AsArray(), result => Assert.Equal(
            (string)result!["value"]!["text"]!, ((string)task["data"]!["text"]!)[(int)result["value"]!["start"]!..(int)result["value"]!["end"]!]));
        Assert.Equal(["X", "Y"], task["predictions"]![0]!["result"]!.AsArray().Select(result => (string)result!["value"]!["labels"]![0]!));
        var characters = ((string)spacy["text"]!).EnumerateRunes().ToList();
        List<string> tokens = [.. spacy["tokens"]!.AsArray().Select(token => string.Concat(characters[(int)token!["start"]!..(int)token["end"]!]))];
        Assert.Equal(["  ", "😀", " ", "goat", ",", "\u00A0", "bees"], tokens);
        Assert.All(spacy["ents"]!.AsArray(),
            entity => Assert.Contains((int)entity!["start"]!, spacy["tokens"]!.AsArray().Select(token => (int)token!["start"]!)));
    }

    [Fact]
    public void A_page_shows_texts_in_colours_loads_nothing_and_takes_nothing_for_markup()
    {
        var page = File.ReadAllText(Annotate("a.txt", "the <script>goat</script> & goat\n", "o.html"));

        Assert.Contains("the &lt;script&gt;goat&lt;/script&gt; &amp; <mark class=\"nl-e nl-c0\" title=\"X 0.900\">goat<b>X</b></mark>", page,
            StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
        Assert.EndsWith("</html>\n", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.jsonl", """{"id": 1, "text": "the goat"}""" + "\n" + """{"text": "of bees", "id": 2}""")]
    [InlineData("a.json", """[{"text": "the goat"}, {"text": "of bees"}]""")]
    [InlineData("a.jsonl", "\"the goat\"\n\"of bees\"\n")]
    [InlineData("a.jsonl", """{"tokens": ["the", "goat"], "ner_tags": [0, 0]}""" + "\n" + """{"tokens": ["of", "bees"]}""")]
    [InlineData("a.csv", "id,text\n1,the goat\n2,\"of bees\"\n")]
    [InlineData("a.csv", "id;Text\n1;the goat\n2;of bees\n")]
    [InlineData("a.conll", "the O\ngoat O\n\nof O\nbees O\n")]
    [InlineData("a.conll", "-DOCSTART- O\n\nthe\ngoat\n\nof\nbees")]
    [InlineData("a.conllu", "# sent_id = 1\n1\tthe\t_\n2-3\tgoatof\t_\n2\tgoat\t_\n\n1\tof\t_\n2\tbees\t_\n")]
    [InlineData("a.unknown", "the goat\r\nof bees\r\n")]
    [InlineData("a.txt", "\uFEFFthe goat\rof bees")]
    public void Every_form_of_input_gives_its_texts(string name, string content)
    {
        var rows = Lines(Annotate(name, content, "o.jsonl"));

        Assert.Equal(["the goat", "of bees"], rows.Select(row => (string)row!["text"]!));
        Assert.Equal(["goat", "of|bees"], rows.Select(row => string.Join('|', row!["entities"]!.AsArray().Select(entity => (string)entity!["text"]!))));
    }

    [Fact]
    public void A_named_field_packed_files_folders_and_patterns_are_read_each_once_in_order()
    {
        _folder.WriteGzip("b.csv.gz", "id,comment\n1,the goat\n");
        _folder.Write("c.csv", "id,comment\n1,of bees\n");
        _folder.Write("z.bin", "no text");
        var settings = new AnnotationSettings
        {
            Inputs = [_folder.Root, _folder.PathOf("*.csv"), _folder.PathOf("**/*.gz")],
            Output = _folder.PathOf("o.jsonl"),
            Field = "comment"
        };

        Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken);
        var again = Annotator.Run(_tagger, settings with { Replaces = true }, cancellation: TestContext.Current.CancellationToken);

        Assert.Equal(["the goat", "of bees"], Lines(_folder.PathOf("o.jsonl")).Select(row => (string)row!["text"]!));
        Assert.Equal(2, again.Rows);
    }

    [Fact]
    public void A_file_of_ours_in_Parquet_is_an_input_too()
    {
        Annotate("a.txt", Text, "o.parquet");
        Annotator.Run(_tagger, new() { Inputs = [_folder.PathOf("o.parquet")], Output = _folder.PathOf("texts.jsonl") },
            cancellation: TestContext.Current.CancellationToken);
        Annotator.Run(_tagger, new() { Inputs = [_folder.PathOf("o.parquet")], Output = _folder.PathOf("words.jsonl"), Field = "tokens" },
            cancellation: TestContext.Current.CancellationToken);

        Assert.Equal(Text.Split('\n', StringSplitOptions.RemoveEmptyEntries), Lines(_folder.PathOf("texts.jsonl")).Select(row => (string)row!["text"]!));
        Assert.Equal("😀 goat , ( bees ) and 😀😀 the goat .", (string)Lines(_folder.PathOf("words.jsonl"))[1]!["text"]!);
    }

    [Fact]
    public void A_document_is_split_into_sentences_with_their_places_in_it()
    {
        const string Document = "Dr. Goat saw 3.5 km of U.S. bees. “The goat\nslept!” 😀 It was J. Bee. And\n\nA title\n\nlast one";
        var rows = Lines(Annotate("a.txt", Document, "o.jsonl", settings => settings with { IsDocument = true }));

        Assert.Equal(["Dr. Goat saw 3.5 km of U.S. bees.", "“The goat\nslept!”", "😀 It was J. Bee.", "And", "A title", "last one"],
            rows.Select(row => (string)row!["text"]!));
        Assert.Equal([1, 1, 2, 2, 4, 6], rows.Select(row => (int)row!["line"]!));
        var characters = Document.EnumerateRunes().ToList();
        Assert.All(rows, row =>
            Assert.Equal((string)row!["text"]!, string.Concat(characters.Skip((int)row["offset"]!).Take(((string)row["text"]!).EnumerateRunes().Count()))));
    }

    [Theory]
    [InlineData("o.jsonl")]
    [InlineData("o.json")]
    [InlineData("o.conll")]
    [InlineData("o.csv")]
    [InlineData("o.parquet")]
    [InlineData("o.html")]
    public void A_killed_run_goes_on_where_it_was_and_the_output_is_that_of_one_run(string output)
    {
        var input = string.Concat(Enumerable.Range(0, 3000).Select(i => i % 7 == 0 ? $"{i} goat of bees\n" : $"the {i}\n"));
        var whole = File.ReadAllBytes(Annotate("a.txt", input, "whole" + Path.GetExtension(output)));
        var settings = new AnnotationSettings { Inputs = [_folder.PathOf("a.txt")], Output = _folder.PathOf(output) };
        var (runs, rows) = (0, 0L);
        while (!File.Exists(settings.Output))
        {
            Assert.True(++runs < 20);
            using var stop = new CancellationTokenSource();
            try
            {
                rows = Annotator.Run(_tagger, settings, _ => stop.Cancel(), cancellation: stop.Token).Rows;
            }
            catch (OperationCanceledException)
            {
                Assert.False(File.Exists(settings.Output));
                // What was written behind the last record when the process died.
                File.AppendAllText(settings.Output + ".part", "half a ro");
            }
        }

        Assert.InRange(runs, 3, 20);
        Assert.Equal(3000, rows);
        Assert.Equal(whole, File.ReadAllBytes(settings.Output));
        Assert.Empty(Directory.EnumerateFiles(_folder.Root, "*.part*"));
    }

    [Fact]
    public void Another_task_or_another_process_does_not_go_on_with_a_part()
    {
        var input = string.Concat(Enumerable.Repeat("the goat\n", 1200));
        var settings = new AnnotationSettings { Inputs = [_folder.Write("a.txt", input)], Output = _folder.PathOf("o.jsonl") };
        using var stop = new CancellationTokenSource();
        string? busy = null;
        Assert.ThrowsAny<OperationCanceledException>(() => Annotator.Run(_tagger, settings, _ =>
        {
            busy = Assert.Throws<IOException>(() => Annotator.Run(_tagger, settings, cancellation: stop.Token)).Message;
            stop.Cancel();
        }, cancellation: stop.Token));

        Assert.Contains("another process is writing this output", busy, StringComparison.Ordinal);
        var error = Assert.Throws<InvalidOperationException>(() =>
            Annotator.Run(_tagger, settings with { Threshold = 0.5 }, cancellation: TestContext.Current.CancellationToken));
        Assert.Contains("threshold was 0, is 0.5", error.Message, StringComparison.Ordinal);
        File.AppendAllText(settings.Inputs[0], "more\n");
        Assert.Contains(
            "input was", Assert.Throws<InvalidOperationException>(() =>
            Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        var record = settings.Output + ".part.json";
        foreach (var name in new[] { "bytes", "inputRows", "skipped" })
        {
            var sound = File.ReadAllText(record);
            File.WriteAllText(record, sound.Replace($"\"{name}\":", $"\"{name}\":-1", StringComparison.Ordinal));
            Assert.Contains($"{record}: is damaged; begin anew", Assert.Throws<InvalidOperationException>(() =>
                Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
            File.WriteAllText(record, sound);
        }

        var result = Annotator.Run(_tagger, settings with { Restarts = true }, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((1201, 1201), (result.Rows, result.NewRows));
        Assert.Contains("exists already",
            Assert.Throws<ArgumentException>(() => Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Shards_together_are_the_whole()
    {
        var input = string.Concat(Enumerable.Range(0, 100).Select(i => $"the goat {i}\n\n"));
        var whole = File.ReadAllLines(Annotate("a.txt", input, "whole.jsonl"));
        var parts = Enumerable.Range(1, 3)
            .Select(shard => File.ReadAllLines(Annotate("a.txt", input, $"{shard}.jsonl", settings => settings with { Shard = shard, Shards = 3 }))).ToList();

        Assert.Equal(whole, Enumerable.Range(0, 100).Select(row => parts[row % 3][row / 3]));
    }

    [Theory]
    [InlineData("a.jsonl", """{"text": 7}""", "text: expected a text or a list of words, found a number", "text")]
    [InlineData("a.jsonl", """{"body": "x"}""", "missing field text; found body", "text")]
    [InlineData("a.jsonl", """{"weight": 1, "height": "x"}""", "no field holds a text; found weight, height", null)]
    [InlineData("a.jsonl", """{"text": "\ud800"}""", "half a surrogate pair", null)]
    [InlineData("a.jsonl", """{"text": "x" """, "broken JSON", null)]
    [InlineData("a.jsonl", "17", "expected an object with a text", null)]
    [InlineData("a.txt", "caf\u00E9 in Latin-1", "not valid UTF-8", null)]
    public void A_wrong_row_is_named_with_file_and_line_and_left_out_when_asked(string name, string row, string problem, string? field)
    {
        var good = name.EndsWith(".txt", StringComparison.Ordinal) ? "the goat" : """{"text": "the goat"}""";
        byte[] content = [.. System.Text.Encoding.UTF8.GetBytes(good + "\n"), .. System.Text.Encoding.Latin1.GetBytes(row),
            .. System.Text.Encoding.UTF8.GetBytes($"\n{good}\n")];
        var settings = new AnnotationSettings { Inputs = [_folder.Write(name, content)], Output = _folder.PathOf("o.jsonl"), Field = field };

        var error = Assert.Throws<DataFormatException>(() => Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.Equal((settings.Inputs[0], 2L), (error.Faults[0].File, error.Faults[0].Line));
        Assert.False(File.Exists(settings.Output));

        // The row before the wrong one was kept; going on without it gives each of the others once.
        var skipped = new List<DataFault>();
        var result = Annotator.Run(_tagger, settings with { SkipsErrors = true }, null, skipped.Add, TestContext.Current.CancellationToken);
        Assert.Equal((2, 1, 1, 2L), (result.Rows, result.NewRows, result.Skipped, Assert.Single(skipped).Line));
        Assert.Equal([1, 3], Lines(settings.Output).Select(line => (int)line!["line"]!));
    }

    [Fact]
    public void Long_lines_empty_files_and_foreign_files_have_an_answer()
    {
        var longLine = string.Concat(Enumerable.Repeat("the goat ", 60_000));
        var row = Assert.Single(Lines(Annotate("long.txt", longLine + "\n", "long.jsonl")));
        Assert.Equal(60_000, row!["entities"]!.AsArray().Count);

        var tooLong = Assert.Throws<DataFormatException>(() => Annotate("huge.txt", new string('a', (16 << 20) + 1), "huge.jsonl"));
        Assert.Contains("longer than 16777216 bytes", tooLong.Message, StringComparison.Ordinal);
        var rows = Enumerable.Range(0, 9).Select(i => $$"""{"text": "the goat {{i}}", "more": "{{new string('x', 2 << 20)}}"}""");
        Assert.Equal(9, Lines(Annotate("array.json", $"\n [{string.Join(", ", rows)}]", "array.jsonl")).Count);
        var commas = Assert.Throws<DataFormatException>(() => Annotate("commas.csv", "text\nthe goat\n\"the goat, here\"\nthe goat, there\n", "commas.jsonl"));
        Assert.Contains("commas.csv:4: 2 columns; expected 1. A text with a separator in it stands in quotes", commas.Message, StringComparison.Ordinal);
        Assert.Equal("", File.ReadAllText(Annotate("empty.txt", "", "empty.jsonl")));
        Assert.Equal("[\n]\n", File.ReadAllText(Annotate("empty.txt", "\n \n", "empty.json")));
        Assert.Contains("NUL bytes", Assert.Throws<DataFormatException>(() => Annotate("nul.txt", "\0\0\0\0", "nul.jsonl")).Message, StringComparison.Ordinal);
        Assert.Contains("no column is called text or the like; found a, b",
            Assert.Throws<DataFormatException>(() => Annotate("a.csv", "a,b\n1,2\n", "csv.jsonl")).Message, StringComparison.Ordinal);
        Assert.Contains("is no Parquet file", Assert.Throws<DataFormatException>(() => Annotate("a.parquet", "PAR1 and then nothing", "p.jsonl")).Message,
            StringComparison.Ordinal);
        var cut = _folder.WriteGzip("cut.txt.gz", string.Concat(Enumerable.Range(0, 4000).Select(i => $"goat {i * 7919}\n")));
        File.WriteAllBytes(cut, File.ReadAllBytes(cut)[..^40]);
        Assert.Contains("damaged or was cut off", Assert.Throws<DataFormatException>(() => Run(cut, "cut.jsonl")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_work_is_said_all_at_once_before_anything_is_read()
    {
        var settings = new AnnotationSettings { Inputs = [_folder.PathOf("none.txt")], Output = _folder.PathOf("o.xyz"), Threshold = 2, Shard = 3, Shards = 2 };
        var error = Assert.Throws<ArgumentException>(settings.Validate);

        Assert.All((string[])["threshold is 2", "shard is 3/2", "o.xyz: its ending does not say", "none.txt: no such file"],
            part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
        Assert.Contains("only plain text is split",
            Assert.Throws<ArgumentException>(() => Annotate("a.jsonl", "{}", "o.jsonl", wish => wish with { IsDocument = true })).Message,
            StringComparison.Ordinal);
    }

    private static string Show(TaggedText tagged) => Show(tagged.Sentence);

    private static string Show(Sentence sentence) => string.Join(' ', sentence.Words.Zip(sentence.Tags, (word, tag) => $"{word}/{s_labels[tag]}"));

    private static List<JsonNode?> Lines(string path) => [.. File.ReadLines(path).Select(line => JsonNode.Parse(line))];

    private string Annotate(string name, string content, string output, Func<AnnotationSettings, AnnotationSettings>? change = null) =>
        Run(_folder.Write(name, content), output, change);

    private string Run(string input, string output, Func<AnnotationSettings, AnnotationSettings>? change = null)
    {
        var settings = new AnnotationSettings { Inputs = [input], Output = _folder.PathOf(output), Replaces = true };
        Annotator.Run(_tagger, change?.Invoke(settings) ?? settings, cancellation: TestContext.Current.CancellationToken);
        return settings.Output;
    }

    private static int Id(string piece) => s_tokenizer.FindId(piece)!.Value;
}
