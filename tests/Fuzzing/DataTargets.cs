using System.IO.Compression;
using System.IO.Hashing;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Annotation;
using NotebookLib.Data;
using NotebookLib.Display;
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
    private static readonly Dictionary<int, float[]> s_scores = new() { [DebertaTokenizer.Load(SpmFile.TinyPath).FindId("▁goat")!.Value] = [0.1f, 0.9f, 0] };

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
        new("annotate", Texts, folder => Annotate(folder, "out.jsonl")),
        new("annotate-page", Texts, folder =>
        {
            Annotate(folder, "out.html");
            HarmlessPage.Check(File.ReadAllText(Path.Combine(folder, "out.html")));
        }),
        new("annotate-goes-on", () => [Killed(".jsonl"), Killed(".parquet")], folder => Annotate(folder, KilledIn(folder), isPart: true)) { Seal = SealKilled },
        new("annotate-merge", () => [Shards(".jsonl"), Shards(".json"), Shards(".html"), Shards(".parquet")], Merge) { Seal = SealShards },
        new("sentences-page", () => [.. Files(".jsonl", ".conll", ".csv").Select(file => new SoundInput(file.Name, file.Content))], folder =>
        {
            var sentences = SentenceReader.Open(Directory.EnumerateFiles(folder).Single(), s_types).ToList();
            HarmlessPage.Check(new SentencesView("shown", sentences, s_types).ToHtml());
        }),
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
        return files;
    }

    private static void Annotate(string folder, string output, int shard = 1, bool isPart = false, Action<AnnotationProgress>? progress = null,
        CancellationToken cancel = default)
    {
        using var tagger = new EntityTagger(DebertaTokenizer.Load(SpmFile.TinyPath), new FakeScorer(s_labels, s_scores));
        Annotator.Run(tagger, new AnnotationSettings
        {
            Inputs = [.. Directory.EnumerateFiles(folder).Where(path => !Path.GetFileName(path).StartsWith("out", StringComparison.Ordinal))],
            Output = Path.Combine(folder, output),
            Shard = shard,
            Shards = isPart ? 2 : 1,
            IsPart = isPart,
        }, progress, cancellation: cancel);
    }

    /// <summary>An annotation of many texts, killed behind its first batch.</summary>
    private static SoundInput Killed(string ending)
    {
        using var temporary = new Data.TemporaryFolder();
        temporary.Write("texts.txt", string.Concat(Enumerable.Repeat("the goat\nof bees\n", 600)));
        Kill(temporary.Root, "out" + ending);
        return SoundInput.Of(temporary.Root) is var all ? all with { Spoiled = [.. all.Files.Keys.Where(name => name != "texts.txt")] } : all;
    }

    private static void Kill(string folder, string output)
    {
        using var stop = new CancellationTokenSource();
        try
        {
            Annotate(folder, output, isPart: true, progress: _ => stop.Cancel(), cancel: stop.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private static string KilledIn(string folder) => "out" + (File.Exists(Path.Combine(folder, "out.parquet.part")) ? ".parquet" : ".jsonl");

    /// <summary>The record's task is made that of this folder: else its numbers were never looked at.</summary>
    private static void SealKilled(string folder)
    {
        var record = Path.Combine(folder, KilledIn(folder) + ".part.json");
        using var temporary = new Data.TemporaryFolder();
        foreach (var path in Directory.EnumerateFiles(folder, "out*"))
        {
            File.Move(path, Path.Combine(temporary.Root, Path.GetFileName(path)));
        }

        Kill(folder, Path.GetFileName(record)[..^".part.json".Length]);
        var task = JsonNode.Parse(File.ReadAllBytes(record))!["task"]!;
        foreach (var path in Directory.EnumerateFiles(temporary.Root))
        {
            File.Move(path, Path.Combine(folder, Path.GetFileName(path)), overwrite: true);
        }

        Change(record, json => json["task"] = task.DeepClone());
    }

    private static SoundInput Shards(string ending)
    {
        using var temporary = new Data.TemporaryFolder();
        temporary.Write("texts.txt", "the goat\nof bees 😀\n\ngoat\nbees\n");
        Annotate(temporary.Root, "out-1" + ending, 1, isPart: true);
        Annotate(temporary.Root, "out-2" + ending, 2, isPart: true);
        File.Delete(temporary.PathOf("texts.txt"));
        return SoundInput.Of(temporary.Root);
    }

    private static void Merge(string folder)
    {
        var ending = Path.GetExtension(Directory.EnumerateFiles(folder, "out-1.*").Select(Path.GetFileName).MinBy(name => name!.Length)!);
        var output = Path.Combine(folder, "out" + ending);
        AnnotationMerge.Run(output, AnnotationMerge.Beside(output), replaces: false);
    }

    /// <summary>Each record's sum and length are made those of its rows.</summary>
    private static void SealShards(string folder)
    {
        foreach (var record in Directory.EnumerateFiles(folder, "*.shard.json"))
        {
            var output = record[..^".shard.json".Length];
            var rows = File.ReadAllBytes(File.Exists(output + ".shard.rows") ? output + ".shard.rows" : output);
            Change(record, json =>
            {
                json["bytes"] = rows.LongLength;
                json["hash"] = Convert.ToHexStringLower(XxHash128.Hash(rows));
                json["outputHash"] = File.Exists(output + ".shard.rows") ? Convert.ToHexStringLower(XxHash128.Hash(File.ReadAllBytes(output))) : null;
                json["sizesHash"] = Convert.ToHexStringLower(XxHash128.Hash(File.ReadAllBytes(output + ".shard.sizes")));
            });
        }
    }

    private static void Change(string record, Action<JsonObject> change)
    {
        try
        {
            var json = JsonNode.Parse(File.ReadAllBytes(record))!.AsObject();
            change(json);
            File.WriteAllText(record, json.ToJsonString());
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException or NullReferenceException)
        {
            // Spoiled too far to be made right.
        }
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
