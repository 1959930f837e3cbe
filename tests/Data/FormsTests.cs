using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using ICSharpCode.SharpZipLib.BZip2;
using NotebookLib.Data;
using Parquet;
using Parquet.Schema;

namespace NotebookLib.Tests.Data;

/// <summary>One set of sentences in every form that is read, by every scheme, in every encoding: each file gives the same sentences.</summary>
public sealed class FormsTests : IDisposable
{
    private static readonly LabelSet Types = new(["PER", "ORG", "LOC", "PRODUCT"]);
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions Indented = new(Readable) { WriteIndented = true, NewLine = "\n" };
    private static readonly string[] LineEnds = ["\n", "\r\n", "\r"];
    private static readonly string[] Packings = ["", ".gz", ".zst", ".bz2"];
    private static readonly string[] Compressions = ["None", "Snappy", "Gzip", "Zstd", "Brotli", "Lz4Raw"];

    private readonly TemporaryFolder _folder = new();

    // Neighbours of one type, words with quotes and commas, a sentence that is all one entity, one without any, characters beyond the basic plane.
    private static readonly (string Words, string Tags)[] Sentences =
    [
        ("John Smith works at Acme Corp in São Paulo .", "B-PER I-PER O O B-ORG I-ORG O B-LOC I-LOC O"),
        ("“ Yes , ” said D’Arcy O'Neil 🙂 .", "O O O O O B-PER I-PER O O"),
        ("Anna Bob Carl van Dijk met", "B-PER B-PER B-PER I-PER I-PER O"),
        ("Nothing \"here\" \\ ;", "O O O O"),
        ("Reykjavík", "B-LOC"),
        ("The Widget X1 by Acme Corp sold 3.5 times", "O B-PRODUCT I-PRODUCT O B-ORG I-ORG O O O"),
        ("北京 B-52 #tag O", "B-LOC O O O"),
        ("Ada visited New York", "B-PER O B-LOC I-LOC"),
    ];

    public static TheoryData<string> Forms { get; } = [.. TextForms().Keys, "parquet"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_scheme_and_spelling_comes_out_as_the_same_sentences(string form)
    {
        foreach (var scheme in Schemes())
        {
            // Where types stand alone, neighbours of one type are one entity: those sentences cannot be told.
            var sentences = Marked(scheme,
                scheme is "IO" or "bare" ? Sentences.Where(sentence => !sentence.Words.StartsWith("Anna", StringComparison.Ordinal)) : Sentences);
            var path = form == "parquet" ? WriteParquet($"{scheme}.parquet", sentences, "Zstd")
                : Write($"{form}-{scheme}{Extension(form)}", TextForms()[form](sentences), Encoding.UTF8, "");
            Check(path, sentences, scheme);
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_encoding_packing_and_line_end_comes_out_as_the_same_sentences(string form)
    {
        var sentences = Marked("BIOES", Sentences);
        if (form == "parquet")
        {
            foreach (var compression in Compressions)
            {
                Check(WriteParquet($"{compression}.parquet", sentences, compression), sentences, compression);
            }

            return;
        }

        foreach (var encoding in new Encoding[] { new UTF8Encoding(false), new UTF8Encoding(true), new UnicodeEncoding(false, true),
            new UnicodeEncoding(true, true), new UTF32Encoding(false, true), new UTF32Encoding(true, true) })
        {
            foreach (var (packing, lineEnd) in Packings.Zip(LineEnds.Append("\n")))
            {
                var text = TextForms()[form](sentences);
                var path = Write($"{form}{Extension(form)}",
                    form.StartsWith("csv list", StringComparison.Ordinal) ? text : text.Replace("\n", lineEnd, StringComparison.Ordinal), encoding, packing);
                Check(path, sentences, $"{encoding.WebName} {packing} {lineEnd.Length}");
            }
        }
    }

    private static string[] Schemes() =>
        ["IOB2", "IOB1", "BIOES", "BILOU", "BMES", "IO", "bare", "IOB2 _", "IOB2 last-", "IOB2 last_", "IOB2 lower", "BIOES _", "BILOU lower", "IOB1 _"];

    private static Dictionary<string, Func<List<Marking>, string>> TextForms() => new()
    {
        ["conll tabs"] = sentences => Lines(sentences, (word, tag, _) => $"{word}\t{tag}"),
        ["conll blanks"] = sentences => Lines(sentences, (word, tag, _) => $"{word} {tag}"),
        ["conll 2003"] = sentences =>
            "-DOCSTART- -X- -X- O\n\n" + Lines(sentences, (word, tag, index) => $"{word} NN{index % 3} {(index % 2 == 0 ? "B-NP" : "I-NP")} {tag}"),
        ["conll numbered"] = sentences => Lines(sentences, (word, tag, index) => $"{index + 1}\t{word}\t{tag}"),
        ["conll from 0"] = sentences => Lines(sentences, (word, tag, index) => $"{index}\t{word}\t{tag}"),
        ["conll comments"] = sentences =>
            "# newdoc\n" + Lines(sentences, (word, tag, index) => (index == 0 ? "# sent_id = 1\n" : "") + $"{index + 1}\t{word}\t{tag}"),
        ["conll numbered without blank lines"] = sentences =>
            Lines(sentences, (word, tag, index) => $"{index + 1}\t{word}\t{tag}").Replace("\n\n", "\n", StringComparison.Ordinal),
        ["conll tag first"] = sentences => Lines(sentences, (word, tag, _) => $"{tag}\t{word}"),
        ["conll document name"] = sentences => Lines(sentences, (word, tag, index) => $"doc7\t{index + 1}\t{word}\tNN{index % 2}\t{tag}"),
        ["conll header"] = sentences => "token\tlabel\n" + Lines(sentences, (word, tag, _) => $"{word}\t{tag}"),
        ["conllu misc"] = sentences =>
            Lines(sentences, (word, tag, index) =>
                $"{index + 1}\t{word}\t{word}\tNOUN\t_\t_\t{index}\tdep\t_\t{(tag == "O" ? "_" : $"SpaceAfter=No|NER={tag}")}"),
        ["jsonl"] = sentences => Objects(sentences, "tokens", "ner_tags"),
        ["jsonl words labels"] = sentences => Objects(sentences, "words", "labels"),
        ["json array"] = sentences => Json(sentences.Select(sentence => Fields(sentence, "tokens", "tags"))),
        ["json data"] = sentences => Json(new { version = 1, data = sentences.Select(sentence => Fields(sentence, "words", "ner")) }),
        ["json indented"] = sentences =>
            string.Join('\n', sentences.Select(sentence => JsonSerializer.Serialize(Fields(sentence, "tokens", "ner_tags"), Indented))),
        ["json rows of the Hub"] = sentences =>
            Json(new
            {
                features = new[] { new { name = "tokens" } },
                rows = sentences.Select((sentence, index) => new { row_idx = index, row = Fields(sentence, "tokens", "ner_tags") })
            }),
        ["json columns"] = sentences => Json(new Dictionary<string, object>
        {
            ["tokens"] = sentences.Select((sentence, index) => (index, sentence.Words))
                .ToDictionary(pair => pair.index.ToString(CultureInfo.InvariantCulture), pair => pair.Words),
            ["ner_tags"] = sentences.Select((sentence, index) => (index, sentence.Tags))
                .ToDictionary(pair => pair.index.ToString(CultureInfo.InvariantCulture), pair => pair.Tags),
        }),
        ["json lists"] = sentences =>
            Json(new { tokens = sentences.Select(sentence => sentence.Words), ner_tags = sentences.Select(sentence => sentence.Tags) }),
        ["json split"] = sentences =>
            Json(new
            {
                columns = new[] { "tokens", "ner_tags" },
                index = sentences.Select((_, index) => index),
                data = sentences.Select(sentence => new[] { sentence.Words, sentence.Tags })
            }),
        ["json token objects"] = sentences =>
            Json(sentences.Select(sentence => new { tokens = sentence.Words.Zip(sentence.Tags, (word, tag) => new { text = word, ner = tag }) })),
        ["json flat"] = sentences =>
            Json(sentences.SelectMany((sentence, index) => sentence.Words.Zip(sentence.Tags, (word, tag) => new { sentence_id = index, word, tag }))),
        ["csv kaggle"] = sentences =>
            "Sentence #,Word,POS,Tag\n"
                + string.Concat(
                sentences.SelectMany((sentence, number) =>
                sentence.Words.Select((word, index) => $"{(index == 0 ? $"Sentence: {number + 1}" : "")},{Quoted(word)},NN,{sentence.Tags[index]}\n"))),
        ["csv semicolons"] = sentences =>
            "sentence_id;token;ner\n"
                + string.Concat(
                sentences.SelectMany((sentence, number) => sentence.Words.Select((word, index) => $"{number};{Quoted(word)};{sentence.Tags[index]}\n"))),
        ["csv without header"] = sentences =>
            string.Concat(
                sentences.SelectMany((sentence, number) => sentence.Words.Select((word, index) => $"{number},{Quoted(word)},{sentence.Tags[index]}\n"))),
        ["conll table with quotes"] = sentences =>
            "sentence_id\ttoken\tner\n"
                + string.Concat(
                sentences.SelectMany((sentence, number) => sentence.Words.Select((word, index) => $"{number}\t{Quoted(word)}\t{sentence.Tags[index]}\n"))),
        ["csv empty rows"] = sentences =>
            "word,tag\n"
                + string.Concat(
                sentences.Select(sentence => string.Concat(sentence.Words.Select((word, index) => $"{Quoted(word)},{sentence.Tags[index]}\n")) + ",\n")),
        ["csv list json"] = sentences =>
            "tokens,ner_tags\n" + string.Concat(sentences.Select(sentence => $"{Quoted(Json(sentence.Words))},{Quoted(Json(sentence.Tags))}\n")),
        ["csv list python"] = sentences => "id,tokens,ner_tags\n"
            + string.Concat(sentences.Select((sentence, index) => $"{index},{Quoted(Python(sentence.Words, ", "))},{Quoted(Python(sentence.Tags, ", "))}\n")),
        ["csv list numpy"] = sentences => ",words,labels\n"
            + string.Concat(sentences.Select((sentence, index) => $"{index},{Quoted(Python(sentence.Words, "\n "))},{Quoted(Python(sentence.Tags, " "))}\n")),
        ["csv list commas"] = sentences => "sentence,word_labels\n"
            + string.Concat(sentences.Select(sentence => $"{Quoted(string.Join(' ', sentence.Words))},{Quoted(string.Join(',', sentence.Tags))}\n")),
        ["csv list text"] = sentences => "sentence,labels\n"
            + string.Concat(sentences.Select(sentence => $"{Quoted(string.Join(' ', sentence.Words))},{Quoted(string.Join(' ', sentence.Tags))}\n")),
    };

    private static void Check(string path, List<Marking> sentences, string what)
    {
        var read = SentenceReader.Open(path, Types, new() { Rows = RowListing.AsListed, NumbersAreLabels = false }).ToList();
        var expected = sentences.Select(sentence => new Sentence(sentence.Words, [.. sentence.Iob2.Select(tag => Types.FindId(tag)!.Value)])).ToList();
        Assert.True(expected.Count == read.Count, $"{Path.GetFileName(path)}, {what}: {read.Count} sentences");
        Assert.All(expected.Zip(read), pair =>
        {
            Assert.Equal(pair.First.Words, pair.Second.Words);
            Assert.Equal(pair.First.Tags, pair.Second.Tags);
        });
    }

    private string Write(string name, string text, Encoding encoding, string packing)
    {
        byte[] bytes = [.. encoding.GetPreamble(), .. encoding.GetBytes(text)];
        var path = _folder.PathOf(name + packing);
        using var file = File.Create(path);
        using Stream stream = packing switch
        {
            ".gz" => new GZipStream(file, CompressionLevel.Fastest),
            ".zst" => new ZstdSharp.CompressionStream(file, leaveOpen: false),
            ".bz2" => new BZip2OutputStream(file),
            _ => file,
        };
        stream.Write(bytes);
        return path;
    }

    private string WriteParquet(string name, List<Marking> sentences, string compression, ParquetSchema? given = null)
    {
        var path = _folder.PathOf(name);
        Task.Run(async () =>
        {
            var schema = given
                ?? new ParquetSchema(new ListField("words", new DataField("element", typeof(string), isNullable: true)),
                new ListField("tags", new DataField("element", typeof(string), isNullable: true)));
            var fields = schema.DataFields;
            await using var file = File.Create(path);
            await using var writer = await ParquetWriter.CreateAsync(schema, file,
                new ParquetOptions { CompressionMethod = Enum.Parse<CompressionMethod>(compression) });
            using var group = writer.CreateRowGroup();
            if (fields.Length == 3)
            {
                await group.WriteAsync<int>(fields[0], Enumerable.Range(0, sentences.Count).ToArray());
                fields = fields[1..];
            }

            int[] definitions = [.. sentences.SelectMany(sentence => sentence.Words.Select(_ => fields[0].MaxDefinitionLevel))];
            int[] repetitions = [.. sentences.SelectMany(sentence => sentence.Words.Select((_, index) => index == 0 ? 0 : 1))];
            await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[0],
                sentences.SelectMany(sentence => sentence.Words).Select(word => word.AsMemory()).ToArray(), definitions, repetitions, default);
            await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[1],
                sentences.SelectMany(sentence => sentence.Tags).Select(tag => tag.AsMemory()).ToArray(), definitions, repetitions, default);
            group.CompleteValidate();
        }).GetAwaiter().GetResult();
        return path;
    }

    [Theory]
    [InlineData("a list of structs")]
    [InlineData("a struct of lists")]
    public void Words_and_tags_within_one_column_of_Parquet_are_found(string kind)
    {
        var sentences = Marked("IOB2", Sentences);
        var (word, tag) = (new DataField("word", typeof(string), isNullable: true), new DataField("tag", typeof(string), isNullable: true));
        Field column = kind == "a list of structs" ? new ListField("sentence", new StructField("element", word, tag))
            : new StructField("row", new ListField("tokens", new DataField("element", typeof(string), isNullable: true)),
                new ListField("labels", new DataField("element", typeof(string), isNullable: true)));

        Check(WriteParquet("within.parquet", sentences, "Snappy", new(new DataField<int>("id"), column)), sentences, kind);
    }

    private sealed record Marking(string[] Words, string[] Tags, string[] Iob2);

    private static List<Marking> Marked(string scheme, IEnumerable<(string Words, string Tags)> sentences) =>
        [.. sentences.Select(sentence => (Words: sentence.Words.Split(' '), Tags: sentence.Tags.Split(' ')))
            .Select(sentence => new Marking(sentence.Words, Mark(scheme, sentence.Tags), sentence.Tags))];

    /// <summary>IOB2 in another scheme and spelling.</summary>
    private static string[] Mark(string scheme, string[] tags)
    {
        var parts = scheme.Split(' ');
        return [.. tags.Select((tag, index) => tag == "O" ? (parts is [_, "lower"] ? "o" : "O") : Spell(Letter(parts[0], tags, index), tag[2..], parts))];
    }

    private static string Letter(string scheme, string[] tags, int index)
    {
        var (type, begins) = (tags[index][2..], tags[index][0] == 'B');
        var ends = index + 1 == tags.Length || tags[index + 1] != "I-" + type;
        return scheme switch
        {
            "IOB1" => begins && index > 0 && tags[index - 1].EndsWith("-" + type, StringComparison.Ordinal) ? "B" : "I",
            "BIOES" => begins ? (ends ? "S" : "B") : ends ? "E" : "I",
            "BILOU" => begins ? (ends ? "U" : "B") : ends ? "L" : "I",
            "BMES" => begins ? (ends ? "S" : "B") : ends ? "E" : "M",
            "IO" => "I",
            "bare" => "",
            _ => begins ? "B" : "I",
        };
    }

    private static string Spell(string letter, string type, string[] parts) => parts switch
    {
        ["bare"] => type,
        [_, "_"] => $"{letter}_{type}",
        [_, "last-"] => $"{type}-{letter}",
        [_, "last_"] => $"{type}_{letter}",
#pragma warning disable CA1308 // Lower case is what is tested.
        [_, "lower"] => $"{letter}-{type}".ToLowerInvariant(),
#pragma warning restore CA1308
        _ => $"{letter}-{type}",
    };

    private static string Lines(List<Marking> sentences, Func<string, string, int, string> line) =>
        string.Concat(
            sentences.Select(sentence => string.Concat(sentence.Words.Select((word, index) => line(word, sentence.Tags[index], index) + "\n")) + "\n"));

    private static string Objects(List<Marking> sentences, string words, string tags) =>
        string.Concat(sentences.Select(sentence => Json(Fields(sentence, words, tags)) + "\n"));

    private static Dictionary<string, string[]> Fields(Marking sentence, string words, string tags) =>
        new() { [words] = sentence.Words, [tags] = sentence.Tags };

    private static string Json(object value) => JsonSerializer.Serialize(value, Readable);

    private static string Quoted(string cell) => cell.AsSpan().ContainsAny(",;\"\n") ? $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : cell;

    private static string Python(string[] items, string separator) => $"[{string.Join(separator, items.Select(item =>
    {
        var escaped = item.Replace("\\", "\\\\", StringComparison.Ordinal);
        return escaped.Contains('\'', StringComparison.Ordinal) && !escaped.Contains('"', StringComparison.Ordinal)
            ? $"\"{escaped}\"" : $"'{escaped.Replace("'", "\\'", StringComparison.Ordinal)}'";
    }))}]";

    private static string Extension(string form) => form.StartsWith("jsonl", StringComparison.Ordinal)
        ? ".jsonl" : form.Split(' ')[0] switch { "json" => ".json", "csv" => ".csv", "conllu" => ".conllu", _ => ".conll" };
}
