using System.Text.Json.Nodes;
using NotebookLib.Annotation;
using NotebookLib.Inference;
using NotebookLib.Tests.Data;
using NotebookLib.Tests.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Annotation;

/// <summary>Shards that are joined are the output of one run; what does not belong together is not joined.</summary>
public sealed class AnnotationMergeTests : IDisposable
{
    private static readonly DebertaTokenizer s_tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);

    private readonly TemporaryFolder _folder = new();
    private readonly EntityTagger _tagger = new(s_tokenizer,
        new FakeScorer(["O", "B-X", "I-X", "B-Y", "I-Y"], new() { [s_tokenizer.FindId("▁goat")!.Value] = [0.1f, 0.9f, 0, 0, 0] }));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(nameof(AnnotationFormat.JsonLines), "o.jsonl", 3)]
    [InlineData(nameof(AnnotationFormat.Json), "o.json", 2)]
    [InlineData(nameof(AnnotationFormat.Conll), "o.conll", 3)]
    [InlineData(nameof(AnnotationFormat.Csv), "o.csv", 3)]
    [InlineData(nameof(AnnotationFormat.Parquet), "o.parquet", 3)]
    [InlineData(nameof(AnnotationFormat.Html), "o.html", 3)]
    [InlineData(nameof(AnnotationFormat.Doccano), "o.jsonl", 3)]
    [InlineData(nameof(AnnotationFormat.LabelStudio), "o.json", 3)]
    [InlineData(nameof(AnnotationFormat.Spacy), "o.jsonl", 1)]
    public void Joined_shards_are_byte_for_byte_the_output_of_one_run(string format, string output, int shards)
    {
        // Wrong rows that are left out, a text without a word, which CoNLL has no row for, and one of several lines; the last shard is killed on its way.
        Write(1900, row => row % 11 == 3 ? "{\"text\": 7}" : row % 7 == 2 ? "{\"text\": \" \"}" : $$"""{"text": "{{row}} the goat,\n😀 bees"}""");
        AnnotationSettings Settings(string name) =>
            new() { Inputs = [_folder.PathOf("a.jsonl")], Output = _folder.PathOf(name), Format = Enum.Parse<AnnotationFormat>(format), SkipsErrors = true };
        Annotator.Run(_tagger, Settings("whole"), cancellation: TestContext.Current.CancellationToken);
        List<string> parts = [.. Enumerable.Range(1, shards).Select(shard => _folder.PathOf($"part-{shard}{Path.GetExtension(output)}"))];
        for (var shard = 1; shard <= shards; shard++)
        {
            var settings = Settings(Path.GetFileName(parts[shard - 1])) with { Shard = shard, Shards = shards, IsPart = true };
            if (shard == shards)
            {
                Kill(settings);
                Assert.Contains("is not complete; the command that makes it, typed again, goes on", Refused(parts), StringComparison.Ordinal);
            }

            Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken);
        }

        parts.Reverse();
        var result = AnnotationMerge.Run(_folder.PathOf(output), parts, false, TestContext.Current.CancellationToken);

        Assert.Equal(File.ReadAllBytes(_folder.PathOf("whole")), File.ReadAllBytes(_folder.PathOf(output)));
        Assert.Equal((shards, 1900, 173), (result.Shards, result.Rows + result.Skipped, result.Skipped));
        Assert.Empty(Directory.EnumerateFiles(_folder.Root, "*.part*"));
        Assert.Contains("exists already", Refused(parts, output), StringComparison.Ordinal);
    }

    [Fact]
    public void Fewer_rows_than_shards_leave_shards_without_rows()
    {
        Write(2, row => $$"""{"text": "the goat {{row}}"}""");
        for (var shard = 1; shard <= 4; shard++)
        {
            Annotate($"o-{shard}.json", shard, 4);
        }

        Assert.Equal(4, AnnotationMerge.Beside(_folder.PathOf("o.json")).Count);
        AnnotationMerge.Run(_folder.PathOf("o.json"), AnnotationMerge.Beside(_folder.PathOf("o.json")), false, TestContext.Current.CancellationToken);
        Assert.Equal(2, JsonNode.Parse(File.ReadAllText(_folder.PathOf("o.json")))!.AsArray().Count);
    }

    [Fact]
    public void What_does_not_belong_together_is_named_and_nothing_is_written()
    {
        Write(300, row => $$"""{"text": "the goat {{row}}"}""");
        var (one, two, three) = (Annotate("o-1.jsonl", 1, 3), Annotate("o-2.jsonl", 2, 3), Annotate("o-3.jsonl", 3, 3));
        var (again, ofTwo, strict) = (Annotate("again.jsonl", 2, 3), Annotate("two.jsonl", 2, 2),
            Annotate("strict.jsonl", 3, 3, settings => settings with { Threshold = 0.5 }));
        var alone = Annotate("alone.jsonl", 1, 1, settings => settings with { IsPart = false });
        Write(300, row => $$"""{"text": "a goat {{row}}"}""");
        var foreign = Annotate("foreign.jsonl", 3, 3);

        Assert.Equal("Missing: 2/3. A part is made by annotate with --shard I/N.", Refused([one, three]));
        Assert.Contains($"{foreign}: is of another input than {one}, or the input changed between them", Refused([foreign, one, two]),
            StringComparison.Ordinal);
        Assert.Equal($"{strict}: is of another task than {one}: threshold is 0.5 there, 0 here.", Refused([one, strict, two]));
        Assert.Contains($"{ofTwo}: is part 2 of 2, {one} is one of 3.", Refused([one, ofTwo, three]), StringComparison.Ordinal);
        Assert.Equal($"Part 2 of 3 is there more than once: {two}, {again}.", Refused([one, two, again, three]));
        Assert.Contains($"{alone}: is no part of an annotation; expected alone.jsonl.shard.json beside it", Refused([alone, one, two, three]),
            StringComparison.Ordinal);
        Assert.Contains("none.jsonl: no such file.", Refused([_folder.PathOf("none.jsonl"), one, two, three]), StringComparison.Ordinal);
        Assert.Contains("no parts lie beside it", Refused([]), StringComparison.Ordinal);
        Assert.Contains("joining does not convert", Refused([one, two, three], "joined.csv"), StringComparison.Ordinal);
        File.AppendAllText(two, "{}\n");
        Assert.Contains($"{two}: has ", Refused([one, two, three]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_part_is_found_before_the_output_gets_its_name()
    {
        Write(300, row => $$"""{"text": "the goat {{row}}"}""");
        List<string> parts = [Annotate("o-1.jsonl", 1, 2), Annotate("o-2.jsonl", 2, 2)];
        var (rows, record) = (File.ReadAllBytes(parts[1]), File.ReadAllText(parts[1] + ".shard.json"));
        rows[^9] ^= 1;
        File.WriteAllBytes(parts[1], rows);
        Assert.Contains("is not what was written", Broken(), StringComparison.Ordinal);

        rows[^9] ^= 1;
        File.WriteAllBytes(parts[1], rows);
        using (var sizes = File.OpenWrite(parts[1] + ".shard.sizes"))
        {
            sizes.Write([0xff, 0xff, 0xff, 0x7f]);
        }

        Assert.Contains("is not what was written", Broken(), StringComparison.Ordinal);

        // Rows' ends moved within the file: the rows as a whole are those that were written.
        var own = SizesOf(parts[0]);
        (own[0], own[4]) = ((byte)(own[0] + 10), (byte)(own[4] - 10));
        File.WriteAllBytes(parts[0] + ".shard.sizes", own);
        Assert.Contains("o-1.jsonl.shard.sizes: is not what was written", Broken(), StringComparison.Ordinal);
        foreach (var (old, hostile) in ((string, string)[])[("\"bytes\":", "\"bytes\":-"), ("\"shard\":\"2/2\"", "\"shard\":\"2/0\""), ("{", "["),
            (record, "null"),
            ("\"types\":[\"X\"", "\"types\":[null"), ("\"hash\"", "\"hush\""), ("\"task\":{", "\"task\":null,\"was\":{"),
            ("\"shard\":\"2/2\",", ""), ("\"entities\":", "\"entities\":90000000000000"), ("\"skipped\":", "\"skipped\":9000000000000000"),
            ("\"inputRows\":300", "\"inputRows\":9223372036854775807"),
            ("\"inputRows\":300", "\"inputRows\":4611686018427387904"),
            ("\"firstRow\":0", "\"firstRow\":99999999"), ("JsonLines", "77")])
        {
            File.WriteAllText(parts[1] + ".shard.json", record.Replace(old, hostile, StringComparison.Ordinal));
            var refusal = Refused(parts);
            Assert.Contains(".shard", refusal, StringComparison.Ordinal);
            Assert.DoesNotContain("Object reference", refusal, StringComparison.Ordinal);
        }

        // As many parts as no list holds; the sizes' length goes with it.
        foreach (var (part, number) in parts.Select((part, at) => (part, at + 1)))
        {
            var json = number == 1 ? File.ReadAllText(part + ".shard.json") : record;
            File.WriteAllText(part + ".shard.json", json.Replace($"{number}/2", $"{number}/2147483647", StringComparison.Ordinal)
                .Replace("\"inputRows\":300", "\"inputRows\":2", StringComparison.Ordinal));
            File.WriteAllBytes(part + ".shard.sizes", [1, 0, 0, 0]);
        }

        Assert.Contains("Missing: 3/2147483647, 4/2147483647, ", Refused(parts), StringComparison.Ordinal);
        Assert.Contains("and 2147483625 more.", Refused(parts), StringComparison.Ordinal);

        string Broken()
        {
            var error = Assert.Throws<InvalidDataException>(() =>
                AnnotationMerge.Run(_folder.PathOf("o.jsonl"), parts, false, TestContext.Current.CancellationToken));
            Assert.Empty(Directory.EnumerateFiles(_folder.Root, "o.jsonl*"));
            return error.Message;
        }
    }

    [Fact]
    public void The_joined_output_replaces_no_part_however_it_is_spelled()
    {
        Write(30, row => $$"""{"text": "the goat {{row}}"}""");
        var (one, two) = (Annotate("o-1.jsonl", 1, 2), Annotate("o-2.jsonl", 2, 2));
        Directory.CreateSymbolicLink(_folder.PathOf("linked"), _folder.Root);
        foreach (var output in (string[])["o-1.jsonl", "./o-1.jsonl", "linked/o-1.jsonl", "linked/linked/o-2.jsonl.shard.sizes"])
        {
            var (rows, sizes) = (File.ReadAllBytes(one), SizesOf(two));
            var error = Assert.Throws<ArgumentException>(() => AnnotationMerge.Run(
                Path.Combine(_folder.Root, output), [one, two], replaces: true, TestContext.Current.CancellationToken));
            Assert.Contains("the joined output goes into a file of its own", error.Message, StringComparison.Ordinal);
            Assert.Equal(rows, File.ReadAllBytes(one));
            Assert.Equal(sizes, SizesOf(two));
        }
    }

    [Fact]
    public void A_part_that_is_complete_is_left_as_it_is_and_one_of_something_else_is_named()
    {
        Write(300, row => $$"""{"text": "the goat {{row}}"}""");
        var part = Annotate("o-1.jsonl", 1, 3);
        var (before, rows) = (File.ReadAllBytes(part), 0L);
        File.SetLastWriteTimeUtc(part, DateTime.UnixEpoch);
        var settings = new AnnotationSettings { Inputs = [_folder.PathOf("a.jsonl")], Output = part, Shard = 1, Shards = 3, IsPart = true };

        var again = Annotator.Run(_tagger, settings, at => rows += at.NewRows, cancellation: TestContext.Current.CancellationToken);

        Assert.Equal((100, 0, 100, 0, 1, 1), (again.Rows, again.NewRows, again.Entities, rows, again.Fraction, again.FractionAtStart));
        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(part));
        Assert.Contains("is a complete part already, and what it was made by differs: threshold was 0, is 0.5. It was left as it is.",
            Wrong(settings with { Threshold = 0.5 }), StringComparison.Ordinal);
        Assert.Contains("shard was \"1/3\", is \"1/4\"", Wrong(settings with { Shards = 4 }), StringComparison.Ordinal);
        Assert.Contains("exists already and was left as it is",
            Assert.Throws<ArgumentException>(() => Run(settings with { IsPart = false, Shards = 1 })).Message, StringComparison.Ordinal);
        Write(301, row => $$"""{"text": "a goat {{row}}"}""");
        Assert.Contains("what it was made by differs: input was ", Wrong(settings), StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(part));
        Assert.Contains("exists already", Assert.Throws<ArgumentException>(() => Run(settings with { Restarts = true })).Message, StringComparison.Ordinal);

        Assert.Equal(101, Run(settings with { Replaces = true }).NewRows);
        Assert.NotEqual(before, File.ReadAllBytes(part));
        File.AppendAllText(part, "{}\n");
        Assert.Contains("was it changed since? Annotate this part again. It was left as it is.", Wrong(settings), StringComparison.Ordinal);
        var edited = File.ReadAllBytes(part)[..^3];
        edited[^5] ^= 1;
        File.WriteAllBytes(part, edited);
        Assert.Contains("is not what was written; annotate this part again. It was left as it is.", Wrong(settings), StringComparison.Ordinal);

        AnnotationProgress Run(AnnotationSettings wish) => Annotator.Run(_tagger, wish, cancellation: TestContext.Current.CancellationToken);

        string Wrong(AnnotationSettings wish) => Assert.Throws<InvalidOperationException>(() => Run(wish)).Message;
    }

    [Fact]
    public void A_killed_shard_whose_sizes_were_changed_begins_anew_only_when_told()
    {
        Write(1900, row => $$"""{"text": "the goat {{row}}"}""");
        var settings = new AnnotationSettings { Inputs = [_folder.PathOf("a.jsonl")], Output = _folder.PathOf("o.jsonl"), IsPart = true };
        Kill(settings);
        var sizes = SizesOf(settings.Output);
        (sizes[0], sizes[4]) = (sizes[4], (byte)(sizes[0] + 1));
        File.WriteAllBytes(settings.Output + ".shard.sizes", sizes);

        var error = Assert.Throws<InvalidOperationException>(() => Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken));

        Assert.Equal($"{settings.Output}.shard.sizes: is not what was written; begin anew (restart).", error.Message);
        Assert.Equal(1900, Annotator.Run(_tagger, settings with { Restarts = true }, cancellation: TestContext.Current.CancellationToken).NewRows);
    }

    [Fact]
    public void A_Parquet_part_that_was_changed_and_parts_that_name_another_model_are_not_joined()
    {
        Write(30, row => $$"""{"text": "the goat {{row}}"}""");
        List<string> parts = [Annotate("o-1.parquet", 1, 2), Annotate("o-2.parquet", 2, 2)];
        File.AppendAllText(parts[1], "x");
        var error = Assert.Throws<InvalidDataException>(() =>
            AnnotationMerge.Run(_folder.PathOf("o.parquet"), parts, false, TestContext.Current.CancellationToken));
        Assert.Equal($"{parts[1]}: is not what was written; annotate this part again.", error.Message);

        foreach (var format in (AnnotationFormat[])[AnnotationFormat.LabelStudio, AnnotationFormat.Html])
        {
            var one = Annotate($"{format}-1.html", 1, 2, settings => settings with { Format = format });
            using var named = new EntityTagger(s_tokenizer, new FakeScorer(["O", "B-X", "I-X", "B-Y", "I-Y"], [])) { Name = "another" };
            var two = new AnnotationSettings
            {
                Inputs = [_folder.PathOf("a.jsonl")],
                Output = _folder.PathOf($"{format}-2.html"),
                Format = format,
                Shard = 2,
                Shards = 2,
                IsPart = true
            };
            Annotator.Run(named, two, cancellation: TestContext.Current.CancellationToken);
            Assert.Contains("name is ", Refused([one, two.Output]), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void A_run_that_was_killed_between_its_last_files_is_ended_by_the_same_command(bool isPart, bool hasRecord)
    {
        // Parquet is made of the rows beside it: output, record and rows get their names one after another.
        Write(300, row => $$"""{"text": "the goat {{row}}"}""");
        var settings = new AnnotationSettings { Inputs = [_folder.PathOf("a.jsonl")], Output = _folder.PathOf("o.parquet"), IsPart = isPart };
        Annotator.Run(_tagger, settings, at => { }, cancellation: TestContext.Current.CancellationToken);
        var (output, record) = (File.ReadAllBytes(settings.Output), isPart ? File.ReadAllText(settings.Output + ".shard.json") : "");
        File.Delete(settings.Output);
        File.Delete(settings.Output + ".shard.json");
        Assert.Throws<InvalidOperationException>(() => Annotator.Run(
            _tagger, settings, at => throw new InvalidOperationException("killed"), cancellation: TestContext.Current.CancellationToken));
        var state = File.ReadAllText(settings.Output + ".part.json");
        File.WriteAllText(settings.Output + ".part.json", state.Replace("\"ends\":false", "\"ends\":true", StringComparison.Ordinal));
        File.WriteAllBytes(settings.Output, output);
        if (hasRecord)
        {
            File.WriteAllText(settings.Output + ".shard.json", record);
        }

        Assert.Equal(300, Annotator.Run(_tagger, settings, cancellation: TestContext.Current.CancellationToken).Rows);

        Assert.Equal(output, File.ReadAllBytes(settings.Output));
        Assert.False(File.Exists(settings.Output + ".part") || File.Exists(settings.Output + ".part.json"));
        Assert.Equal(isPart, File.Exists(settings.Output + ".shard.json"));
    }

    [Theory]
    [InlineData("o.jsonl")]
    [InlineData("o.parquet")]
    public void An_output_that_another_process_made_meanwhile_is_left_as_it_is(string output)
    {
        Write(1900, row => $$"""{"text": "the goat {{row}}"}""");
        var settings = new AnnotationSettings { Inputs = [_folder.PathOf("a.jsonl")], Output = _folder.PathOf(output) };

        var error = Assert.Throws<IOException>(() => Annotator.Run(
            _tagger, settings, _ => File.WriteAllText(settings.Output, "another's"), cancellation: TestContext.Current.CancellationToken));

        Assert.Contains("another process wrote it while this one was at work", error.Message, StringComparison.Ordinal);
        Assert.Equal("another's", File.ReadAllText(settings.Output));
        Assert.Equal(1900, Annotator.Run(_tagger, settings with { Replaces = true }, cancellation: TestContext.Current.CancellationToken).Rows);
    }

    private static byte[] SizesOf(string part) => File.ReadAllBytes(part + ".shard.sizes");

    private void Write(int rows, Func<int, string> row) => _folder.Write("a.jsonl", string.Concat(Enumerable.Range(0, rows).Select(at => row(at) + "\n")));

    private string Annotate(string output, int shard, int shards, Func<AnnotationSettings, AnnotationSettings>? change = null)
    {
        var settings = new AnnotationSettings
        {
            Inputs = [_folder.PathOf("a.jsonl")],
            Output = _folder.PathOf(output),
            Shard = shard,
            Shards = shards,
            IsPart = true
        };
        Annotator.Run(_tagger, change?.Invoke(settings) ?? settings, cancellation: TestContext.Current.CancellationToken);
        return settings.Output;
    }

    private void Kill(AnnotationSettings settings)
    {
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Annotator.Run(_tagger, settings, _ => stop.Cancel(), cancellation: stop.Token));
        // What was written behind the last record when the process died.
        File.AppendAllText(settings.Output + ".part", "half a ro");
        File.AppendAllText(settings.Output + ".shard.sizes", "xyz");
    }

    private string Refused(IReadOnlyList<string> parts, string output = "joined.jsonl")
    {
        var before = Directory.GetFiles(_folder.Root).Order(StringComparer.Ordinal);
        var error = Assert.Throws<ArgumentException>(() => AnnotationMerge.Run(_folder.PathOf(output), parts, false, TestContext.Current.CancellationToken));
        Assert.Equal(before, Directory.GetFiles(_folder.Root).Order(StringComparer.Ordinal));
        return error.Message;
    }
}
