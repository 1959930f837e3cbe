using System.IO.Compression;
using NotebookLib.Annotation;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Results;
using NotebookLib.Tests.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>Readers of sentences, texts and tables.</summary>
internal static class DataTargets
{
    private static readonly LabelSet s_types = new(["PER", "ORG", "LOC", "PRODUCT"]);
    private static readonly string[] s_labels = ["O", "B-PER", "I-PER"];

    // A small file that unpacks to one line of more than a reader may take at once.
    private static readonly Lazy<byte[]> s_bomb = new(() => Packed(stream =>
    {
        var letters = new byte[1 << 20];
        letters.AsSpan().Fill((byte)'x');
        stream.Write("{\"tokens\":[\""u8);
        for (var i = 0; i < 600; i++)
        {
            stream.Write(letters);
        }
    }));

    public static IEnumerable<FuzzTarget> All =>
    [
        Sentences("conll", ".conll", ".conllu", ".iob2"),
        Sentences("csv-data", ".csv"),
        Sentences("json", ".json"),
        Sentences("jsonl", ".jsonl", ".ndjson"),
        Sentences("parquet", ".parquet"),
        Sentences("jsonl-gz", () => [.. Files(".jsonl").Select(file => new SoundInput(file.Name + ".gz", Packed(stream => stream.Write(file.Content)))),
            new("bomb.jsonl.gz", s_bomb.Value)]),
        Sentences("jsonl-in-gz", () => [.. Files(".jsonl").Select(file => new SoundInput(file.Name + ".gz", file.Content))]) with
        {
            Mend = (_, content) => Packed(stream => stream.Write(content)),
        },
        new("annotate", () => Texts(), Annotate),
        new("csv", () => [Runs()], folder =>
        {
            var table = new RunTable(folder);
            _ = table.Read();
            _ = table.ReadTypes();
        }),
    ];

    private static FuzzTarget Sentences(string name, params string[] endings) =>
        Sentences(name, () => [.. Files(endings).Select(file => new SoundInput(file.Name, file.Content))]);

    private static FuzzTarget Sentences(string name, Func<IReadOnlyList<SoundInput>> makeSound) => new(
        name,
        makeSound,
        folder =>
        {
            foreach (var _ in SentenceReader.Open(Directory.EnumerateFiles(folder).Single(), s_types))
            {
            }
        });

    private static IEnumerable<(string Name, byte[] Content)> Files(params string[] endings) =>
        from folder in new[] { "cases", "tables" }
        from path in Directory.EnumerateFiles(Repository.PathOf("tests", "goldens", "data", folder)).Order(StringComparer.Ordinal)
        where endings.Contains(Path.GetExtension(path)) && Path.GetFileName(path) is not ("expected.json" or "broken.jsonl")
        select (Path.GetFileName(path), File.ReadAllBytes(path));

    private static byte[] Packed(Action<Stream> write)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest, leaveOpen: true))
        {
            write(gzip);
        }

        return memory.ToArray();
    }

    private static List<SoundInput> Texts()
    {
        var files = Files(".jsonl", ".csv", ".conll", ".parquet").Where(file => !file.Name.StartsWith("encrypted", StringComparison.Ordinal))
            .Select(file => new SoundInput(file.Name, file.Content)).ToList();
        files.Add(new("texts.txt", "John Smith works at Acme Corp in Paris.\r\n\r\nThe goat (of bees) 😀.\n"u8.ToArray()));
        files.Add(new("texts.txt.gz", Packed(stream => stream.Write("John Smith works in Paris.\nThe goat.\n"u8))));
        // What a killed run left: the part so far and its record.
        var part = new Dictionary<string, byte[]>
        {
            ["texts.txt"] = "the goat\nof bees\n"u8.ToArray(),
            ["out.jsonl.part"] = "{\"text\":\"the goat\",\"entities\":[],\"file\":\"texts.txt\",\"line\":1}\n"u8.ToArray(),
            ["out.jsonl.part.json"] = """{"bytes":64,"inputRows":1,"rows":1,"entities":0,"skipped":0,"task":{"model":"","format":"JsonLines"}}"""u8.ToArray(),
        };
        files.Add(new(part, ["out.jsonl.part.json", "out.jsonl.part"]));
        return files;
    }

    private static void Annotate(string folder)
    {
        using var tagger = new EntityTagger(DebertaTokenizer.Load(SpmFile.TinyPath), new FakeScorer(s_labels, []));
        Annotator.Run(tagger, new AnnotationSettings
        {
            Inputs = [.. Directory.EnumerateFiles(folder).Where(path => !Path.GetFileName(path).StartsWith("out.", StringComparison.Ordinal))],
            Output = Path.Combine(folder, "out.jsonl"),
        });
    }

    private static SoundInput Runs()
    {
        using var temporary = new Data.TemporaryFolder();
        var table = new RunTable(temporary.Root);
        var row = new RunRow
        {
            RunId = "a",
            Started = new DateTimeOffset(2026, 11, 27, 10, 0, 0, TimeSpan.FromHours(1)),
            System = "base-A",
            Profile = "demo",
            Model = "tiny, \"quoted\"",
            TestF1 = 0.9,
        };
        table.Append(row, [new() { RunId = "a", Row = "PER", Precision = 0.5 }]);
        table.Append(row with { RunId = "b", System = "base-B", TestF1 = null });
        return SoundInput.Of(temporary.Root, "runs.csv", "runs-types.csv");
    }
}
